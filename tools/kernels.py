#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The summary of make kernels: a row for each kernel, and one closing line.

Usage: kernels.py TABLE PAGE all|some KINDS SERIES/FLAVOUR=FOLDER...

FOLDER/KIND is what a kind of tests has left, as verdict.py reads it, and FOLDER/demo/imports are
the symbols that the module imports. The kernels, as they call themselves when they boot, are
written to TABLE. If they are all that there are, they are compared with the table in PAGE; and the
symbols with those that it names.
"""

import collections
import csv
import pathlib
import re
import sys

import verdict

BANNER = re.compile(r"Linux version (\S+) .*#\d+ (?:SMP )?(PREEMPT\w*)? ?Debian (\S+)")
# What the keys subsystem, and others that promise nothing, have.
UNSTABLE = re.compile(r"^ *U (?!rust_helper_)"
                      r"((?!_R)\w*(?:key|uid|cred|user_ns|klp|ftrace|fprobe|rht|rhashtable)\w*)$",
                      re.MULTILINE)
ROW = re.compile(r'^   (".*")$', re.MULTILINE)

Kernel = collections.namedtuple("Kernel", "release version preemption")


def booted(folder):
    """The kernel whose console is in the folder."""
    console = folder / "console.log"
    banner = console.exists() and BANNER.search(console.read_text(errors="replace"))
    return Kernel(banner[1], banner[3], banner[2] or "none") if banner else None


def wrong_kernel(name, kernel):
    """What is wrong with a kernel that was to be SERIES/FLAVOUR."""
    series, flavour = name.split("/")
    if kernel is None:
        return ["no kernel has said what it is"]
    if not re.fullmatch(rf"{re.escape(series)}\.\d+\+deb\d+-{flavour}", kernel.release):
        return [f"it is {kernel.release}"]
    return []


def unnamed(folder, page):
    """The symbols that the module imports, and of which the page says nothing."""
    imports = folder / "imports"
    symbols = UNSTABLE.findall(imports.read_text()) if imports.exists() else []
    if not symbols:
        return ["nobody knows what the module imports"]
    return [symbol for symbol in symbols if not re.search(rf"``{symbol}(\(\))?``", page)]


def table(rows):
    """The kernels and how many tests have passed there, as a table of reStructuredText."""
    head = [".. csv-table::", "   :header: release, version, preemption, tests passed",
            "   :widths: 34, 30, 24, 12", ""]
    return "\n".join([*head, *("   " + ", ".join(f'"{cell}"' for cell in row) for row in rows)])


def differences(kernels, page):
    """What the page says otherwise. How many tests there are need not be what it was."""
    kept = {Kernel(*row[:3]) for row in csv.reader(ROW.findall(page), skipinitialspace=True)}
    return [f"{kernel.release}, {kernel.version}, {kernel.preemption}: only {where} has it"
            for where, some in (("the run", kernels - kept), ("the page", kept - kernels))
            for kernel in sorted(some)]


def main(output, path_of_page, which, kinds, *kernels):
    page = pathlib.Path(path_of_page).read_text()
    results = []
    rows = []
    print(f"\n{'kernel':30}", *(f"{state:>8}" for state in ("passed", "failed", "skipped")))
    for argument in kernels:
        name, folder = argument.split("=", 1)
        got = []
        for kind in kinds.split():
            path = pathlib.Path(folder, kind)
            got += verdict.judge(f"{name} {kind}", path)
            if wrong := wrong_kernel(name, booted(path)):
                got.append(verdict.Result(f"{name} {kind}", "the kernel", "failed", wrong))
        if missing := unnamed(pathlib.Path(folder, "demo"), page):
            got.append(verdict.Result(name, "imports not in " + path_of_page, "failed", missing))
        tally = collections.Counter(result.state for result in got)
        print(f"{name:30}", *(f"{tally[state]:8}" for state in ("passed", "failed", "skipped")))
        if kernel := booted(path):
            rows.append((*kernel, tally["passed"]))
        results += got
    print()
    pathlib.Path(output).write_text(table(rows) + "\n")
    if which == "all":
        differing = differences({Kernel(*row[:3]) for row in rows}, page)
        state = "failed" if differing else "passed"
        results.append(verdict.Result("kernels", "the table in " + path_of_page, state, differing))
    verdict.report(results)
    print(verdict.counts(results))
    return any(result.state == "failed" for result in results)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
