#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Judge test results: one line for each suite, the failures, and one closing line.

Usage: verdict.py NAME=FOLDER...

A folder holds `expected`, the names of the tests that must have run, one a line; `status`, which is
"ok" or says how the run went wrong; and the results, as `tap`, or as `kunit.json` of kunit.py.
Nothing passes by being absent: a cut log, a missing test and an unknown one are failures.
"""

import collections
import json
import pathlib
import re
import sys

RESULT = re.compile(r"^(not )?ok\b *(\d+)? *-? *(.*?) *(?:# *(SKIP|TODO)\b *(.*))?$", re.IGNORECASE)
PLAN = re.compile(r"^1\.\.(\d+)\b")

Result = collections.namedtuple("Result", "suite name state note")


def read_tap(text, suite, complaints):
    """The results of a TAP document; what a complete one would have is put into complaints."""
    plan = None
    notes = []
    results = []
    for line in text.replace("\r", "").splitlines():
        match = RESULT.match(line)
        if match:
            bad, number, name, directive, reason = match.groups()
            if number and int(number) != len(results) + 1:
                complaints.append(f"test {number} ({name}) came when {len(results) + 1} was due")
            skipped = (directive or "").upper() == "SKIP" and not bad
            state = "skipped" if skipped else "failed" if bad else "passed"
            results.append(Result(suite, name, state, [reason] if skipped else notes))
            notes = []
        elif PLAN.match(line):
            if plan is not None:
                complaints.append("there are two plans")
            plan = int(PLAN.match(line).group(1))
        elif line.startswith("Bail out!"):
            complaints.append(line)
        elif line.startswith("#"):
            notes.append(line[1:].strip())
    if plan is None:
        complaints.append("there is no plan")
    elif plan != len(results):
        complaints.append(f"{plan} tests were planned, {len(results)} gave a result")
    return results


def read_kunit(text, log, suite):
    """The results that kunit.py wrote as JSON; a test's name is suite.test, as in its filter."""
    states = {"PASS": "passed", "SKIP": "skipped"}
    results = []

    def walk(group, path):
        for case in group["test_cases"]:
            name = ".".join(path + [case["name"]])
            notes = re.findall(rf"# {re.escape(case['name'])}: .*", log)
            results.append(Result(f"{suite} {path[-1] if path else ''}".strip(), name,
                                  states.get(case["status"], "failed"), notes))
        for sub in group["sub_groups"]:
            walk(sub, path + [sub["name"]])

    walk(json.loads(text), [])
    return results


def judge(name, folder):
    """All results of one folder, its complaints as failed results of their own."""
    complaints = []
    results = []

    def content(file):
        path = folder / file
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    status = content("status").strip() or "unknown: the run left no status"
    if status != "ok":
        complaints.append(status)
    if (folder / "kunit.json").exists():
        results = read_kunit(content("kunit.json"), content("tap"), name)
    else:
        results = read_tap(content("tap"), name, complaints)

    expected = collections.Counter(content("expected").split("\n"))
    del expected[""]
    if not expected:
        complaints.append("there is no list of expected tests")
    got = collections.Counter(result.name for result in results)
    complaints += [f"{test}: expected, gave no result" for test in expected - got]
    complaints += [f"{test}: gave a result, not expected" for test in got - expected]
    return results + [Result(name, complaint, "failed", []) for complaint in complaints]


def counts(results):
    """As in "3 passed, 1 failed, 0 skipped"."""
    tally = collections.Counter(result.state for result in results)
    return ", ".join(f"{tally[state]} {state}" for state in ("passed", "failed", "skipped"))


def report(results):
    """All that did not pass, and what was said of it."""
    for result in results:
        if result.state != "passed":
            print(f"{result.state.upper()} {result.suite}: {result.name}")
            for note in result.note:
                print(f"    {note}")


def main(arguments):
    results = []
    for argument in arguments:
        name, folder = argument.split("=", 1)
        results += judge(name, pathlib.Path(folder))

    for suite in dict.fromkeys(result.suite for result in results):
        print(f"{suite:50} {counts([r for r in results if r.suite == suite])}")
    report(results)
    print(counts(results))
    return not results or any(result.state == "failed" for result in results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
