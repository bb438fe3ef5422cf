#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Find the commands in the documentation, and write each block of them down as a script.

Usage: commands_in_docs.py CHECKOUT FOLDER

The scripts are FOLDER/PLACE/NUMBER.sh, where the first line is a comment that names the block. PLACE
is what the page says of it, in Markdown after the language, as in "```sh host", and in
reStructuredText as the class of the code block:

host    on the host, in the checkout. What takes long goes as far as to know what it would do.
build   in the checkout, on a machine whose kernel has a folder to build modules in
guest   as root on a machine with the module: loaded, unless it is the block that loads it
without the same before anybody has loaded the module; a script in the folder of "guest"
tracers as in guest, where there are trace-cmd, perf, bpftrace and Python as well
PATH    not run again, because the script at PATH, of some test, has every line of it, or takes
        its commands from the page, which it names

What is written in the language "gdb" is run by gdb: on a guest, or, in the place "dump", on a dump
of it. In man pages, what is displayed is run as in "guest", unless a comment says otherwise. What
several pages have is run once. A block without a place, a command that is in no such block, one
that is not known, and the name of a target or of a file that there is not: each is an error, of one
line.
"""

import collections
import pathlib
import re
import sys

FOLDERS = ("host", "build", "guest", "tracers", "gdb", "dump")
PLACES = ("host", "build", "guest", "without", "tracers")
# What make does with these either takes long or calls this again.
LONG = {"test", "proof", "storms", "keyutils", "bench", "check", "kernels", "series"}
# Another kernel has to be fetched first, or another module built, which the test of gdb does.
ELSEWHERE = re.compile(r"(KERNEL_SERIES|KERNEL_PIN|FLAVOUR|MIRROR|USK_CACHE|GDB)=")
# These want somebody at a terminal: what that waits for, and then says.
SPOKEN_TO = {"shell": "'ends the guest' exit"}
# What these want is a guest; a test of their own has one.
LONG |= {"gdb", "dump"}
# These would change the machine that the tests run on.
LASTING = {"install", "uninstall", "modules_install"}
# There is nothing in this cache but what is to be removed.
REMOVING = {"distclean"}

# What a block of something else had better not begin a line with.
COMMAND = re.compile(
    r"[$#]? *(sudo )?(make|tools/\S+|insmod|rmmod|modprobe|echo|cat|apt|apt-get|dnf|pacman|git|cd|gdb"
    r"|keyctl|mount|dkms|sphinx-build|cargo|usk-status|usk-pins|trace-cmd|perf|bpftrace)\b(?!:)"
)
VARIABLES = r"(?:[A-Z_]+=(?:'[^']*'|\"[^\"]*\"|[^\s'\"]*)\s+)*"
MAKE = re.compile(rf"{VARIABLES}make\b(.*)")
TOOL = re.compile(rf"{VARIABLES}(tools/[\w./-]+)(?:\s+(.*))?")
LITERAL = re.compile(r"``([^`]+)``|(?<!`)`([^`]+)`(?!`)")
OURS = re.compile(r"(?:tools|config|kunit|samples|Documentation|\.ci)/[\w./-]*\w|rust/[\w/]+\.rs")
# Targets of the kernel's, and files of its own that have names like ours.
KERNELS = {"modules_prepare", "olddefconfig", "htmldocs", "oldconfig", "menuconfig"}

Block = collections.namedtuple("Block", "page line place lines")
problems = []


def complain(page, line, text):
    problems.append(f"{page}:{line}: {text}")


def indent_of(line):
    return len(line) - len(line.lstrip())


def place_of(language, place):
    """Where a block is run, "" if it does not say, or None if it has no commands."""
    return {"sh": place, "gdb": place or "gdb"}.get(language)


def read_markdown(page, lines):
    """Fences say what is in them."""
    fence = ticks = None
    for number, line in enumerate(lines, 1):
        opening = re.match(r"(```+)(\w*) *(.*)", line)
        if fence and line == ticks:
            yield fence
            fence = None
        elif fence:
            fence.lines.append(line)
        elif opening:
            ticks, language, place = opening.groups()
            if not language:
                complain(page, number, "a block has to say what is in it, as in ```sh host")
            fence = Block(page, number, place_of(language, place), [])


def read_rst(page, lines):
    """Code blocks say what is in them; what follows two colons should be no command."""
    at = 0
    while at < len(lines):
        start, line = at, lines[at]
        at += 1
        code = re.match(r" *\.\. code-block:: *(\w*)", line)
        if not code and not line.endswith("::") or line.lstrip().startswith(".. ") and not code:
            continue
        margin, body, place = indent_of(line), [], None
        while at < len(lines) and (not lines[at].strip() or indent_of(lines[at]) > margin):
            body.append(lines[at].strip())
            at += 1
        while body and body[0].startswith(":"):
            name, _, value = body.pop(0)[1:].partition(":")
            place = value.strip() if name == "class" else place
        place = place_of(code.group(1), place or "") if code else None
        yield Block(page, start + 1, place, body if place is not None or not code else [])


def read_man(page, lines):
    """In mdoc, .Dl displays a line. A comment before it may name the place."""
    shown, begin, place = [], 0, "guest"
    for number, line in enumerate([*lines, ""], 1):
        if line.startswith(".Dl "):
            begin = begin if shown else number
            shown.append(line[4:].replace(r"\&", "").replace(r"\-", "-").replace(r"\e", "\\"))
        elif shown:
            yield Block(page, begin, place, shown)
            shown, place = [], "guest"
        if line.startswith('.\\" place: '):
            place = line.removeprefix('.\\" place: ')


def commands(block):
    """The lines of a block, those that are continued joined."""
    text = "\n".join(block.lines).replace("\\\n", "")
    return [line.strip() for line in text.split("\n") if line.strip() and line.strip()[0] != "#"]


class Checkout:
    """What there is to be named."""

    def __init__(self, path):
        self.path = path
        makefile = (path / "Makefile").read_text(encoding="utf-8")
        self.targets = set(re.findall(r"^([a-z][a-z_-]*):", makefile, re.MULTILINE))

    def pages(self):
        folder = self.path / "Documentation"
        for path in [*sorted(self.path.glob("*.md")), *sorted(folder.rglob("*"))]:
            reader = {".md": read_markdown, ".rst": read_rst}.get(path.suffix)
            if re.fullmatch(r"\.[1-8]", path.suffix):
                reader = read_man
            if reader:
                lines = path.read_text(encoding="utf-8").splitlines()
                yield str(path.relative_to(self.path)), reader, lines

    def check_names(self, page, lines):
        """Targets and files that are named within the text."""
        for number, line in enumerate(lines, 1):
            for literal in ("".join(groups) for groups in LITERAL.findall(line)):
                named = re.match(r"make ([a-z][a-z_-]*)$|make ([a-z][a-z_-]*) ", literal)
                target = named and (named.group(1) or named.group(2))
                if target and target not in self.targets | KERNELS:
                    complain(page, number, f"there is no target {target}")
                if OURS.fullmatch(literal) and not (self.path / literal).exists() \
                        and "NAME" not in literal:
                    complain(page, number, f"there is no {literal}")

    def on_host(self, block, command):
        """The command as the test is to run it."""
        make, tool = MAKE.fullmatch(command), TOOL.fullmatch(command)
        if tool:
            if not (self.path / tool.group(1)).is_file():
                complain(block.page, block.line, f"there is no {tool.group(1)}")
            return f"DRY_RUN=1 {command}" if tool.group(1) == "tools/test.sh" else command
        words = re.sub(r"'[^']*'|\"[^\"]*\"", "", make.group(1)).split() if make else []
        targets = {word for word in words if "=" not in word}
        if not make or not targets or not targets <= self.targets:
            complain(block.page, block.line, f"a command that is not known on the host: {command}")
        if targets & LASTING:
            complain(block.page, block.line,
                     f"not on this host, name a test that has it: {command}")
        if targets & LONG or ELSEWHERE.search(command):
            # The point release that the test has been told is one of its own series.
            pin = "KERNEL_PIN= " if "KERNEL_SERIES=" in command else ""
            return f"{pin}DRY_RUN=1 {command}"
        for target in targets & SPOKEN_TO.keys():
            return f"on_terminal {SPOKEN_TO[target]} {command}"
        if targets & REMOVING:
            return f'USK_CACHE="$EMPTY" {command}'
        return command

    def check_elsewhere(self, block):
        """That another test has it."""
        script = self.path / block.place
        if not block.place.startswith("tools/") or not script.is_file():
            complain(block.page, block.line, "a block of commands has to say where they are run: "
                     f"{', '.join(PLACES)}, or the path of a script that does; "
                     f"not \"{block.place}\"")
            return
        text = script.read_text(encoding="utf-8")
        for command in commands(block):
            if command not in text and str(block.page) not in text:
                complain(block.page, block.line, f"{block.place} does not have: {command}")


def main(checkout, folder):
    checkout = Checkout(checkout)
    for place in FOLDERS:
        (folder / place).mkdir(parents=True, exist_ok=True)
    number, seen = 0, set()
    for page, reader, lines in checkout.pages():
        checkout.check_names(page, lines)
        for block in reader(page, lines):
            script = commands(block)
            if block.place is None:
                for line in filter(COMMAND.match, block.lines if reader is read_rst else []):
                    complain(page, block.line, f"a command in no block of commands: {line}")
                continue
            if block.place not in (*PLACES, *FOLDERS):
                checkout.check_elsewhere(block)
                continue
            if not script:
                complain(page, block.line, "a block of commands without one")
                continue
            if (block.place, *script) in seen:
                continue
            seen.add((block.place, *script))
            number += 1
            head = f"# {page}:{block.line}: {script[0].replace('#', '')}"
            if block.place == "host":
                script = [checkout.on_host(block, command) for command in script]
            elif block.place in PLACES:
                # With -e a shell goes on after these, whatever comes out.
                script = [re.sub(r"^(! .*)", r"\1 || exit 1", line) for line in script]
            if block.place == "without":
                head += "\n# without the module"
            place = "guest" if block.place == "without" else block.place
            path = folder / place / f"{number:03}.sh"
            path.write_text("\n".join([head, *script]) + "\n", encoding="utf-8")
    print("".join(f"error: {problem}\n" for problem in problems), end="", file=sys.stderr)
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(*map(pathlib.Path, sys.argv[1:])))
