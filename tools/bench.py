#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What look-ups cost, as tables and a plot, from what the benchmarks said.

Usage: bench.py PAGE PLOT FOLDER

FOLDER has the results of the kinds "bench", "trace" and "rate". PAGE, in reStructuredText, gets the
tables between its lines ".. begin" and ".. end"; PLOT is an SVG.
"""

import math
import pathlib
import re
import sys

COSTS = {
    "getuid": "``getuid(2)``",
    "@p": "``@p``",
    "@s": "``@s``",
    "@u": "``@u``",
    "@us": "``@us``",
    "@s-without": "``@s``, the first of a process that has no session keyring",
    "request_key": "``request_key(2)`` that finds a key in ``@us``",
    "@us-first": "``@us``, the first of a UID",
    "life": "``fork(2)`` and ``exit(2)``, without keyrings of the UID",
    "life-with": "``fork(2)`` and ``exit(2)``, with them",
    "file": "``setresuid(2)``, ``open(2)`` and ``close(2)``, without them",
    "file-with": "``setresuid(2)``, ``open(2)`` and ``close(2)``, with them",
}

# What is part of what, by the names of functions.
PARTS = {
    "system call, there and back":
        r"user|entry_.*|do_syscall_64|prandom_u32_state|x64_sys_call|__x64_sys_keyctl"
        r"|fpregs_assert_state_consistent|syscall_return_via_sysret",
    "``keyctl(2)`` and ``lookup_user_key()``":
        r"__do_sys_keyctl|lookup_user_key|wait_for_key_construction|key_validate"
        r"|ktime_get_real_seconds|key_put",
    "permissions":
        r"key_task_permission|security_key_permission|bpf_lsm_key_permission",
    "livepatch":
        r"ftrace_trampoline|klp_ftrace_handler",
    "the replacement function, and ``current``":
        r"patch::look_up_user_keyrings|rust_helper_get_current",
    "table of records":
        r"rust_helper_table_lookup",
    "RCU read lock":
        r"(rust_helper)?_+rcu_read_(un)?lock",
    "reference, and counter of hits":
        r"rust_helper_refcount_inc|rust_helper_counter_inc",
    "names":
        r"from_kuid|map_id_range_up|v?snprintf|format_decode|(__pi_)?memcpy|convert_num_spec.*|number"
        r"|put_dec.*",
    "semaphore":
        r"(down|up)_write",
    "search":
        r"look_up_user_keyrings|keyring_search.*|strlen|search_nested_keyrings|key_set_index_key"
        r"|.*siphash.*|keyring_.*|memcmp|assoc_array_.*|__x86_indirect_thunk_.*|key_default_cmp"
        r"|strcmp",
}

SIDES = ("in-tree", "module")


# The columns, by what trace.sh calls them.
LOOK_UPS = {"@s": "``@s``", "@us": "``@us``, module", "in-tree-@us": "``@us``, in-tree"}


def lines_of(folder, kind):
    """The fields of the lines that begin with "# KIND:"."""
    tap = (folder / kind / "tap").read_text(errors="replace").replace("\r", "")
    return [line.split() for line in re.findall(rf"^# {kind}: (.*)$", tap, re.MULTILINE)]


def table(head, rows, widths):
    head, *quoted = (", ".join(f'"{cell}"' for cell in row) for row in (head, *rows))
    return "\n".join([
        ".. csv-table::",
        f"   :header: {head}",
        f"   :widths: {widths}",
        "",
        *(f"   {row}" for row in quoted),
        "",
    ])


def number(value):
    return f"{value:,}"


def costs_table(costs):
    rows = []
    session = costs["module", 1, 1, "@s"]
    for name, words in COSTS.items():
        before, after = (costs[side, 1, 1, name] for side in SIDES)
        rows.append((words, number(before), number(after), f"{after / before:.2f}",
                     f"{after / session:.2f}"))
    return table(["", "in-tree", "module", "of in-tree", "of ``@s``"], rows, "44, 14, 14, 14, 14")


def scale_table(costs):
    rows = []
    for uids, namespaces in sorted({key[1:3] for key in costs}):
        rows.append((number(uids), number(namespaces), *(
            number(costs[side, uids, namespaces, name])
            for name in ("@us", "@us-first") for side in SIDES)))
    head = ["UIDs", "namespaces", "``@us`` in-tree", "module", "first ``@us`` in-tree", "module"]
    return table(head, rows, "15, 15, 20, 15, 20, 15")


def part_of(symbol):
    for part, pattern in PARTS.items():
        if re.fullmatch(pattern, symbol):
            return part
    sys.exit(f"bench.py: {symbol}() is in no part of a look-up: add it to PARTS")


def parts_of(traces):
    """How many instructions of a look-up each part has, by the name of the look-up."""
    sums = {name: dict.fromkeys(PARTS, 0) for name in LOOK_UPS}
    for name, symbol, count, _ in traces:
        if name in LOOK_UPS:
            # Its first two instructions lead to the replacement.
            replaced = name == "@us" and symbol == "look_up_user_keyrings"
            sums[name]["livepatch" if replaced else part_of(symbol)] += int(count)
    return sums


def parts_table(parts):
    rows = [(part, *(number(parts[name][part]) for name in LOOK_UPS)) for part in PARTS]
    rows.append(("sum", *(number(sum(parts[name].values())) for name in LOOK_UPS)))
    return table(["", *LOOK_UPS.values()], rows, "52, 16, 16, 16")


def floor_of(parts):
    """What no replacement of the function can go below, as an ordinary livepatch."""
    checks = parts["@us"]["permissions"] - parts["@s"]["permissions"]
    return sum(parts["@s"].values()) + parts["@us"]["livepatch"] + checks


def added_to_free_uid(traces):
    """The functions that a call executes beside what the kernel alone does."""
    known = {symbol for name, symbol, *_ in traces if name == "in-tree-free_uid"}
    return [(symbol, int(count)) for name, symbol, count, _ in traces
            if name == "free_uid" and symbol not in known]


def free_uid_table(traces):
    rows = [(f"``{symbol}()``", number(count)) for symbol, count in added_to_free_uid(traces)]
    rows.append(("sum", number(sum(count for _, count in added_to_free_uid(traces)))))
    return table(["added to a call", "instructions"], rows, "70, 30")


def goals_table(costs, traces, rates):
    us = costs["module", 1, 1, "@us"]
    session = costs["module", 1, 1, "@s"]
    many = max(key[1] for key in costs)
    namespaces = max(key[2] for key in costs)
    floor = floor_of(parts_of(traces))
    of_two = rates["module", "2 different none"] / rates["module", "2 getuid none"]

    def of_in_tree(name):
        return f"{costs['module', 1, 1, name] / costs['in-tree', 1, 1, name]:.3f}"

    rows = [
        ("``@us``, of ``@s``", f"1.25 at most; no less than {floor / session:.2f} can be had",
         f"{us / session:.2f}"),
        (f"``@us`` with {number(many)} UIDs on record, of that with one", "1.02 at most",
         f"{costs['module', many, 1, '@us'] / us:.3f}"),
        (f"``@us`` with {number(namespaces)} namespaces of its UID, of that with one",
         "1.05 at most", f"{costs['module', 1, namespaces, '@us'] / us:.3f}"),
        ("two callers of different UIDs, of what two callers of ``getuid(2)`` get done",
         "0.95 at least", f"{of_two:.2f}"),
        ("a caller beside UIDs that come and go, of one beside ``getuid(2)``", "0.95 at least",
         f"{rates['module', '1 same creator'] / 1000:.2f}"),
        ("the first ``@us`` of a UID, of in-tree", "1.15 at most", of_in_tree("@us-first")),
        ("``free_uid()``, added", "60 at most",
         str(sum(count for _, count in added_to_free_uid(traces)))),
        ("``fork(2)`` and ``exit(2)``, of in-tree", "1.01 at most", of_in_tree("life")),
        ("... with keyrings of the UID", "1.01 at most", of_in_tree("life-with")),
    ]
    return table(["", "goal", "measured"], rows, "56, 26, 18")


def rates_table(rates):
    words = {
        "2 getuid none": "two callers of ``getuid(2)``, against one",
        "2 same none": "two callers of ``@us`` of one UID, against one",
        "2 different none": "two callers of ``@us`` of different UIDs, against one",
        "1 same creator": "one caller of ``@us`` beside UIDs that come and go, against one beside "
                          "a process that only calls ``getuid(2)``",
    }
    rows = [(text, *(f"{rates[side, what] / 1000:.2f}" for side in SIDES))
            for what, text in words.items()]
    return table(["", "in-tree", "module"], rows, "64, 18, 18")


def plot(costs):
    """The cost of @us by the number of UIDs, as an SVG."""
    left, right, top, bottom = 70, 560, 20, 300
    uids = sorted(key[1] for key in costs if key[0] == "module" and key[2] == 1
                  and key[3] == "@us")
    series = [("in-tree @us", "in-tree", "@us", "#b03030"),
              ("module @us", "module", "@us", "#2060b0"), ("@s", "module", "@s", "#606060")]
    ceiling = math.ceil(max(costs[side, n, 1, name] for _, side, name, _ in series
                            for n in uids) / 1000) * 1000

    def x(count):
        return left + (right - left) * math.log10(count) / math.log10(uids[-1])

    def y(cost):
        return bottom - (bottom - top) * cost / ceiling

    out = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        "<!-- SPDX-License-Identifier: GPL-2.0 -->",
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 350"'
        ' font-family="sans-serif" font-size="13">',
        "<title>Instructions of a look-up by the number of UIDs with keyrings</title>",
        '<rect width="700" height="350" fill="#ffffff"/>',
    ]
    for cost in range(0, ceiling + 1, 1000):
        out.append(f'<path d="M{left} {y(cost):.1f}H{right}" stroke="#dddddd"/>')
        out.append(f'<text x="{left - 8}" y="{y(cost) + 4:.1f}" text-anchor="end">{cost:,}</text>')
    for count in uids:
        out.append(f'<text x="{x(count):.1f}" y="{bottom + 20}" text-anchor="middle">'
                   f"{count:,}</text>")
    out.append(f'<text x="{(left + right) / 2}" y="{bottom + 42}" text-anchor="middle">'
               "UIDs with keyrings</text>")
    for label, side, name, colour in series:
        points = [(x(n), y(costs[side, n, 1, name])) for n in uids]
        path = "L".join(f"{at:.1f} {height:.1f}" for at, height in points)
        out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{at:.1f}" cy="{height:.1f}" r="3" fill="{colour}"/>'
                for at, height in points]
        out.append(f'<text x="{right + 10}" y="{points[-1][1] + 4:.1f}" fill="{colour}">'
                   f"{label}</text>")
    out.append("</svg>")
    return "\n".join(out) + "\n"


def section(title, *blocks):
    return "\n".join([title, "-" * len(title), "", *blocks])


def main(page, drawing, folder):
    costs = {(side, int(uids), int(namespaces), name): int(cost)
             for side, uids, namespaces, name, cost in lines_of(folder, "bench")}
    traces = lines_of(folder, "trace")
    rates = {(side, " ".join(what)): int(rate)
             for side, *what, rate in lines_of(folder, "rate")}
    parts = parts_of(traces)
    text = page.read_text()
    head, rest = text.split(".. begin written by make bench\n")
    _, tail = rest.split(".. end\n")
    tables = "\n".join([
        section("Goals", goals_table(costs, traces, rates)),
        section("One look-up", costs_table(costs)),
        section("Many UIDs, many namespaces", scale_table(costs)),
        section("Where the instructions go", parts_table(parts), free_uid_table(traces)),
        section("Two processors", rates_table(rates)),
    ])
    page.write_text(f"{head}.. begin written by make bench\n\n{tables}\n.. end\n{tail}")
    drawing.write_text(plot(costs))


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
