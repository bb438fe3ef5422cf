#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""List the KUnit tests that the Rust sources declare, as suite.test, one a line.

A suite that is compiled to nothing, or a test in a nested module, vanishes without a word. The
sources are the only place that knows what should have run.

Usage: kunit_tests.py FILTER FOLDER...
"""

import fnmatch
import pathlib
import re
import sys

SUITE = re.compile(r"^\s*#\[(?:(?:\w*::)*)kunit_tests\((\w+)\)\]", re.MULTILINE)
TEST = re.compile(
    r"^\s*#\[test\]\s*(?:^\s*(?:#\[.*\]|//.*)\s*)*^\s*(?:unsafe\s+)?fn\s+(\w+)", re.MULTILINE
)


def declared(text):
    """The tests of one source file; a test belongs to the last suite before it."""
    suites = [(match.start(), match.group(1)) for match in SUITE.finditer(text)]
    for match in TEST.finditer(text):
        before = [name for start, name in suites if start < match.start()]
        if before:
            yield f"{before[-1]}.{match.group(1)}"


def main(pattern, *folders):
    if "." not in pattern:
        pattern += ".*"
    files = sorted(file for folder in folders for file in pathlib.Path(folder).rglob("*.rs"))
    for file in files:
        for name in declared(file.read_text(encoding="utf-8")):
            if fnmatch.fnmatchcase(name, pattern):
                print(name)


if __name__ == "__main__":
    main(*sys.argv[1:])
