#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Make a patch series against the kernel of the abstractions, their tests and the samples.

The sources here stay the only truth: what is in a patch is made from them, by SERIES and by what
the functions above it do, and by nothing else. tools/series/ has what each patch says of itself,
and Documentation/upstream.rst the cover letter.

Usage: series.py SOURCES KERNEL REPOSITORY PATCHES "NAME <MAIL>"

REPOSITORY is made anew, with the files of KERNEL that are touched; PATCHES is where they go.
"""

import pathlib
import re
import subprocess
import sys

COVER = re.compile(r"^\.\. begin cover letter\n\n(.*?)\n\n\.\. end cover letter$", re.DOTALL | re.M)


def elements(inner):
    """What is between the commas of a list of imports, without the comments that end it."""
    depth = 0
    element = ""
    for char in re.sub(r" //$", "", inner, flags=re.MULTILINE):
        depth += (char == "{") - (char == "}")
        if char == "," and not depth:
            yield element.strip()
            element = ""
        else:
            element += char
    if element.strip():
        yield element.strip()


def imports(tail):
    """The elements of `use crate::` and this; those of `abstractions` are in the crate itself."""
    for element in elements(tail[1:-1]) if tail.startswith("{") else [tail]:
        if element.startswith("abstractions::"):
            yield from imports(element[len("abstractions::"):])
        else:
            yield element


def write_list(name, tail, indent):
    """A list of imports as the kernel has it: one a line, in order, ended by a comment."""
    if not tail.startswith("{"):
        return indent + name + tail
    lines = []
    for element in sorted(set(elements(tail[1:-1])), key=lambda e: (e[0].isupper(), e)):
        path, brace, rest = element.partition("{")
        lines.append(write_list(path, brace + rest, indent + "    "))
    end = "," if lines[-1].endswith("}") else ", //"
    return f"{indent}{name}{{\n" + ",\n".join(lines) + f"{end}\n{indent}}}"


def merge_imports(root, text):
    """One `use` of what is in this crate for each scope, where there are several."""
    for indent in ("", "    "):
        found = list(re.finditer(rf"^{indent}use {root}::((?:[^;{{]|\{{[^;]*\}})*);\n", text, re.M))
        if not found:
            continue
        parts = [part for match in found for part in imports(match.group(1))]
        # A module, and what is in it.
        for module in [part for part in parts if f"{part}::{{" in "".join(parts)]:
            parts.remove(module)
            parts = [part.replace(f"{module}::{{", f"{module}::{{self,") for part in parts]
        tail = "{" + ",".join(parts) + "}" if len(parts) > 1 else parts[0]
        for match in reversed(found[1:]):
            text = text[:match.start()] + text[match.end():]
        merged = write_list(f"use {root}::", tail, indent) + ";\n"
        text = text[:found[0].start()] + merged + text[found[0].end():]
    return re.sub(r"\n{3,}", "\n\n", text)


def into_crate(text):
    """From beside the crate `kernel` into it. Examples in documentation use it from outside."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if not line.lstrip().startswith("//"):
            line = re.sub(r"\bkernel::|\bsuper::(?=\w+::\{)", "crate::", line)
            lines[number] = re.sub(r"\b(\w+)_kunit::", r"\1::", line)
    return merge_imports("crate", "\n".join(lines))


class Tree:
    """The files of a kernel, and those that they are made from."""

    def __init__(self, sources, files):
        self.sources = sources
        self.files = files

    def source(self, name):
        return (self.sources / name).read_text(encoding="utf-8")

    def read(self, name):
        return (self.files / name).read_text(encoding="utf-8")

    def write(self, name, text):
        if name.endswith(".rs"):
            text = subprocess.run(["rustfmt", "--edition", "2021"], check=True, text=True,
                                  input=text, stdout=subprocess.PIPE).stdout
        (self.files / name).parent.mkdir(parents=True, exist_ok=True)
        (self.files / name).write_text(text, encoding="utf-8")

    def replace(self, name, old, new):
        text = self.read(name)
        if text.count(old) != 1:
            sys.exit(f"series: {name} of the kernel has {text.count(old)} times {old!r}, not once")
        self.write(name, text.replace(old, new))


# What a patch consists of.

def helper(name, source):
    return [name], lambda tree: tree.write(name, tree.source(source))


def abstraction(name, source):
    def apply(tree):
        tree.write(name, into_crate(tree.source(source).replace("pub(crate) ", "pub ")))
    return [name], apply


def item(name, before, source, begins):
    """One function with its documentation."""
    def apply(tree):
        for paragraph in re.split(r"(?<=^}\n)\n", tree.source(source), flags=re.MULTILINE):
            if f"\n{begins}" in paragraph:
                text = into_crate(paragraph.replace("pub(crate) ", "pub "))
                tree.replace(name, before, f"{text}\n{before}")
                return
        sys.exit(f"series: {source} does not have {begins!r}")
    return [name], apply


def suite(name, source, option):
    """The KUnit suite of an abstraction, at the end of its file."""
    def apply(tree):
        text = tree.source(source)
        text = text[text.index("#[kunit_tests("):].replace("usk_", "rust_")
        tree.write(name, f"{tree.read(name)}\n#[cfg({option})]\n{into_crate(text)}")
    return [name], apply


def sample(name, source):
    """A sample, which finds the abstractions in the crate `kernel`."""
    def apply(tree):
        config = f"CONFIG_SAMPLE_{pathlib.Path(source).stem.upper()}"
        text = tree.source(source)
        code = re.sub(r"^use [^;]*;\n", "", text, flags=re.MULTILINE)
        names = re.compile(r"^.*?(?<![\w:])(\w+)::", re.MULTILINE).findall(code)

        def module(match):
            return f"use kernel::{match.group(1)};\n" if match.group(1) in names else ""
        text = re.sub(r"^#\[path = .*\n(?:#\[.*\n(?:.*\n)*?\)\]\n)?mod (\w+);\n", module,
                      text, flags=re.MULTILINE)
        text = merge_imports("kernel", text.replace("crate::", "kernel::"))
        text = text.replace("insmod samples/", "insmod samples/rust/")
        tree.write(name, text.replace("`make samples KDIR=...`", f"`{config}=m`"))
    return [name], apply


def insert(name, before, text):
    """Lines in front of one that is there only once."""
    return [name], lambda tree: tree.replace(name, f"\n{before}\n", f"\n{text}\n{before}\n")


def change(name, old, new):
    return [name], lambda tree: tree.replace(name, old, new)


LIB = "rust/kernel/lib.rs"
HELPERS = "rust/helpers/helpers.c"
BINDINGS = "rust/bindings/bindings_helper.h"
TESTS = "rust/kernel/Kconfig.test"

KCONFIG_TEST = """\
config RUST_{0}_KUNIT_TEST
	bool "KUnit tests for Rust {1} API" if !KUNIT_ALL_TESTS
	depends on {2}
	default KUNIT_ALL_TESTS
	help
	  This option enables KUnit tests for the Rust {1} API.
	  These are only for development and testing, not for regular
	  kernel use cases.

	  If unsure, say N.
"""

KCONFIG_SAMPLE = """\
config SAMPLE_RUST_{0}
	tristate "{1}"
	depends on {2}
	help
	  This option builds the Rust {3} sample, which {4}.

	  To compile this as a module, choose M here:
	  the module will be called {5}.

	  If unsure, say N.
"""

SERIES = {
    "cred": [
        change("rust/kernel/cred.rs",
               "use crate::{bindings, sync::aref::AlwaysRefCounted, task::Kuid, types::Opaque};\n",
               "use crate::{\n    bindings,\n    sync::aref::AlwaysRefCounted,\n    task::{\n"
               "        Kuid,\n        Task, //\n    },\n    types::Opaque, //\n};\n"),
        item("rust/kernel/cred.rs",
             "// SAFETY: The type invariants guarantee that `Credential` is always ref-counted.\n",
             "rust/abstractions/cred.rs", "pub(crate) fn with_current"),
    ],
    "key": [
        abstraction("rust/kernel/key.rs", "rust/abstractions/key.rs"),
        insert(LIB, "#[cfg(CONFIG_KUNIT)]\npub mod kunit;", "#[cfg(CONFIG_KEYS)]\npub mod key;"),
        insert(BINDINGS, "#include <linux/mdio.h>",
               "#include <linux/key-type.h>\n#include <linux/key.h>"),
        insert(BINDINGS, "#if defined(CONFIG_DRM_PANIC_SCREEN_QR_CODE)",
               "#ifdef CONFIG_KEYS\n/* `key_task_permission()` is exported, but declared there. */\n"
               "#include <../../security/keys/internal.h>\n#endif\n"),
        insert("MAINTAINERS", "F:\tsecurity/keys/\n\nKEYS/KEYRINGS_INTEGRITY",
               "F:\trust/kernel/key.rs"),
    ],
    "keyring": [
        helper("rust/helpers/key.c", "rust/helpers/key.c"),
        insert(HELPERS, '#include "kunit.c"', '#ifdef CONFIG_KEYS\n#include "key.c"\n#endif'),
        abstraction("rust/kernel/keyring.rs", "rust/abstractions/keyring.rs"),
        insert(LIB, "#[cfg(CONFIG_KUNIT)]\npub mod kunit;",
               "#[cfg(CONFIG_KEYS)]\npub mod keyring;"),
        change("MAINTAINERS", "F:\trust/kernel/key.rs\n",
               "F:\trust/helpers/key.c\nF:\trust/kernel/key.rs\nF:\trust/kernel/keyring.rs\n"),
    ],
    "key-tests": [
        suite("rust/kernel/key.rs", "kunit/key_kunit.rs", "CONFIG_RUST_KEYS_KUNIT_TEST"),
        suite("rust/kernel/keyring.rs", "kunit/keyring_kunit.rs", "CONFIG_RUST_KEYS_KUNIT_TEST"),
        insert(TESTS, "endif", KCONFIG_TEST.format("KEYS", "keys and keyrings", "KEYS")),
    ],
    "ftrace": [
        helper("rust/helpers/ftrace.c", "rust/helpers/ftrace.c"),
        insert(HELPERS, '#include "fwctl.c"',
               '#ifdef CONFIG_DYNAMIC_FTRACE_WITH_ARGS\n#include "ftrace.c"\n#endif'),
        abstraction("rust/kernel/ftrace.rs", "rust/abstractions/ftrace.rs"),
        suite("rust/kernel/ftrace.rs", "kunit/ftrace_kunit.rs", "CONFIG_RUST_FTRACE_KUNIT_TEST"),
        insert(LIB, "#[cfg(CONFIG_RUST_FWCTL_ABSTRACTIONS)]\npub mod fwctl;",
               "#[cfg(CONFIG_DYNAMIC_FTRACE_WITH_ARGS)]\npub mod ftrace;"),
        insert(BINDINGS, "#include <linux/fwctl.h>", "#include <linux/ftrace.h>"),
        insert(TESTS, "endif",
               KCONFIG_TEST.format("FTRACE", "function tracing", "DYNAMIC_FTRACE_WITH_ARGS")),
        insert("MAINTAINERS", "F:\tsamples/ftrace",
               "F:\trust/helpers/ftrace.c\nF:\trust/kernel/ftrace.rs"),
    ],
    "fprobe": [
        abstraction("rust/kernel/fprobe.rs", "rust/abstractions/fprobe.rs"),
        suite("rust/kernel/fprobe.rs", "kunit/fprobe_kunit.rs", "CONFIG_RUST_FTRACE_KUNIT_TEST"),
        insert(LIB, "pub mod fs;", "#[cfg(CONFIG_FPROBE)]\npub mod fprobe;"),
        insert(BINDINGS, "#include <linux/ftrace.h>", "#include <linux/fprobe.h>"),
        change("MAINTAINERS", "F:\trust/kernel/ftrace.rs\n",
               "F:\trust/kernel/fprobe.rs\nF:\trust/kernel/ftrace.rs\n"),
    ],
    "livepatch": [
        abstraction("rust/kernel/livepatch.rs", "rust/abstractions/livepatch.rs"),
        suite("rust/kernel/livepatch.rs", "kunit/livepatch_kunit.rs",
              "CONFIG_RUST_LIVEPATCH_KUNIT_TEST"),
        insert(LIB, "pub mod maple_tree;", "#[cfg(CONFIG_LIVEPATCH)]\npub mod livepatch;"),
        insert(BINDINGS, "#include <linux/mdio.h>", "#include <linux/livepatch.h>"),
        insert(TESTS, "endif", KCONFIG_TEST.format("LIVEPATCH", "livepatch", "LIVEPATCH")),
        insert("MAINTAINERS", "F:\tsamples/livepatch/", "F:\trust/kernel/livepatch.rs"),
    ],
    "sample-fprobe": [
        sample("samples/rust/rust_fprobe.rs", "samples/rust_fprobe.rs"),
        insert("samples/rust/Kconfig", "config SAMPLE_RUST_HOSTPROGS",
               KCONFIG_SAMPLE.format("FPROBE", "Function probe", "FPROBE", "function probe",
                                     "counts\n\t  reads of /proc/cmdline", "rust_fprobe")),
        insert("samples/rust/Makefile", "\nrust_print-y := rust_print_main.o rust_print_events.o",
               "obj-$(CONFIG_SAMPLE_RUST_FPROBE)\t\t+= rust_fprobe.o"),
        change("MAINTAINERS", "F:\tsamples/ftrace\n",
               "F:\tsamples/ftrace\nF:\tsamples/rust/rust_fprobe.rs\n"),
    ],
    "sample-livepatch": [
        sample("samples/rust/rust_livepatch.rs", "samples/rust_livepatch.rs"),
        insert("samples/rust/Kconfig", "config SAMPLE_RUST_HOSTPROGS",
               KCONFIG_SAMPLE.format("LIVEPATCH", "Livepatch", "LIVEPATCH && m", "livepatch",
                                     "replaces\n\t  what reads of /proc/cmdline return",
                                     "rust_livepatch")),
        insert("samples/rust/Makefile", "\nrust_print-y := rust_print_main.o rust_print_events.o",
               "obj-$(CONFIG_SAMPLE_RUST_LIVEPATCH)\t\t+= rust_livepatch.o"),
        insert("MAINTAINERS", "F:\tscripts/livepatch/", "F:\tsamples/rust/rust_livepatch.rs"),
    ],
}


def main(sources, kernel, repository, patches, who):
    sources, kernel, repository = map(pathlib.Path, (sources, kernel, repository))
    name, mail = re.fullmatch(r"(.*\S) +<(.*)>", who).groups()

    def git(*arguments, text=None):
        settings = ["-c", f"user.name={name}", "-c", f"user.email={mail}"]
        subprocess.run(["git", *settings, "-C", repository, *arguments], check=True, text=True,
                       input=text, stdout=subprocess.DEVNULL)

    tree = Tree(sources, repository)
    git("init", "-q")
    for touched in sorted({name for steps in SERIES.values() for step in steps for name in step[0]}):
        if (kernel / touched).exists():
            tree.write(touched, (kernel / touched).read_text(encoding="utf-8"))
    git("add", "-A")
    git("commit", "-q", "-m", "base")
    git("tag", "base")
    for patch, steps in SERIES.items():
        for _, apply in steps:
            apply(tree)
        git("add", "-A")
        licence, message = tree.source(f"tools/series/{patch}").split("\n", 1)
        assert "SPDX" in licence
        git("commit", "-q", "-s", "-F", "-", text=message)

    page = tree.source("Documentation/upstream.rst")
    cover = repository / ".git/cover-letter"
    cover.write_text(COVER.search(page).group(1), encoding="utf-8")
    git("format-patch", "-q", "--cover-letter", f"--description-file={cover}",
        "--cover-from-description=subject", "-o", patches, "base")


if __name__ == "__main__":
    main(*sys.argv[1:])
