#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The summary of make proof: a row for each stage, the figures, and one closing line.

Usage: proof.py FIGURES PAGE FOLDER STAGE...

A stage's results are FOLDER/STAGE/STAGE, as verdict.py reads them; FOLDER/STAGE/seconds is how
long it took, and FOLDER/STAGE/times what the shell's "times" said of it. A test says
"# figure: WORDS: NUMBER" of what has to come out the same each time, and
"# measured: WORDS: NUMBER" of what need not. They are written to FIGURES as a table, and compared
with the one in PAGE, unless that is "-".
"""

import collections
import csv
import pathlib
import re
import sys

import verdict

FIGURE = re.compile(r"^# (figure|measured): (.+): ([\d.,]+)\s*$", re.MULTILINE)
ROW = re.compile(r'^   (".*", ".*")$', re.MULTILINE)


def figures_of(folder):
    """What the tests of a stage said of themselves: (kind, words, number)."""
    tap = folder / "tap"
    if not tap.exists():
        return []
    return FIGURE.findall(tap.read_text(errors="replace").replace("\r", ""))


def table(figures):
    """The figures as a table of reStructuredText."""
    rows = [f'   "{words}", "{number}"' for _, words, number in figures]
    head = [".. csv-table::", "   :header: figure, number", "   :widths: 70, 30", ""]
    return "\n".join([*head, *rows])


def doubled_in(figures):
    """Words that stand for more than one number: of these a page can keep one."""
    counts = collections.Counter(words for _, words, _ in figures)
    return [f"{words}: said {count} times" for words, count in counts.items() if count > 1]


def differences(figures, page):
    """What the page says otherwise, or not at all, or what is no longer so."""
    kept = dict(csv.reader(ROW.findall(page), skipinitialspace=True))
    for kind, words, number in figures:
        said = kept.pop(words, None)
        if said is None or (kind == "figure" and said != number):
            yield f"{words}: {number}, the page says {said or 'nothing'}"
    for words in kept:
        yield f"{words}: only the page has it"


def busy(times):
    """The minutes for which processors were busy, from what "times" says of children."""
    return sum(int(minutes) + float(seconds) / 60
               for minutes, seconds in re.findall(r"(\d+)m([\d.]+)s", times.splitlines()[1]))


def main(output, page, folder, *stages):
    results = []
    figures = []
    width = max(len(stage) for stage in stages)
    titles = ("passed", "failed", "skipped", "minutes", "busy")
    print(f"\n{'stage':{width}}", *(f"{title:>8}" for title in titles))
    for stage in stages:
        path = pathlib.Path(folder, stage)
        got = verdict.judge(stage, path / stage)
        figures += figures_of(path / stage)
        tally = [sum(result.state == state for result in got)
                 for state in ("passed", "failed", "skipped")]
        minutes = float((path / "seconds").read_text()) / 60
        worked = busy((path / "times").read_text())
        print(f"{stage:{width}}", *(f"{number:8}" for number in tally),
              f"{minutes:8.1f} {worked:8.1f}")
        results += got
    print()
    for _, words, number in figures:
        print(f"{words:60} {number:>12}")
    print()
    pathlib.Path(output).write_text(table(figures) + "\n")
    if doubled := doubled_in(figures):
        results.append(verdict.Result("proof", "names of figures", "failed", doubled))
    if page != "-":
        differing = list(differences(figures, pathlib.Path(page).read_text()))
        state = "failed" if differing else "passed"
        results.append(verdict.Result("proof", "the figures in " + page, state, differing))
    verdict.report(results)
    print(verdict.counts(results))
    return any(result.state == "failed" for result in results)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
