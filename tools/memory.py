#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Pass on what a guest says, but look for secrets in its memory when it asks for that.

Usage: memory.py DIR < OUTPUT, where DIR is that of the guest, with the socket "monitor" of QEMU's
and the pipe "answers", which the guest reads; or memory.py --dump DIR FILE, to dump its memory for
debuggers, by addresses as its kernel sees them.

A guest asks by a line "# look for A^B [A^B]...". The secrets are the exclusive or of the two
numbers, in hexadecimal: nobody in the guest says them. They are looked for in pieces, as memory
that was freed has been written to here and there. The answer says how many were found, of each.
"""

import json
import pathlib
import socket
import sys

ASKS = "# look for "
PIECE = 16
PAGE = 4096


class Monitor:
    """QEMU's, by the QEMU Machine Protocol."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rw", encoding="utf-8")
        self.stream.readline()
        self.execute("qmp_capabilities")

    def execute(self, command, **arguments):
        """Returns when the command has been carried out."""
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        for line in self.stream:
            answer = json.loads(line)
            if "error" in answer:
                raise OSError(f"QEMU: {command}: {answer['error']['desc']}")
            if "return" in answer:
                return
        raise OSError(f"QEMU: {command}: it has ended")


def used(dump):
    """The pages of a dump that are not empty, in a row."""
    empty = bytes(PAGE)
    with dump.open("rb") as file:
        return b"".join(page for page in iter(lambda: file.read(PAGE), b"") if page != empty)


def pieces_of(halves):
    """The pieces of the secret that is given as A^B."""
    first, second = (bytes.fromhex(half) for half in halves.split("^"))
    secret = bytes(a ^ b for a, b in zip(first, second, strict=True))
    return [secret[at:at + PIECE] for at in range(0, len(secret), PIECE)]


def dump_memory(folder, file, paging):
    """Dump the guest's memory: as it is, or as the guest's page tables have it."""
    Monitor(folder / "monitor").execute("dump-guest-memory", paging=paging, protocol=f"file:{file}")


def look_for(secrets, folder):
    """Count the pieces of each secret in the guest's memory."""
    dump = folder / "dump"
    dump_memory(folder, dump, False)
    memory = used(dump)
    dump.unlink()
    return [sum(map(memory.count, pieces_of(secret))) for secret in secrets]


def main(folder):
    # Opened for reading as well, so that this does not wait for the guest.
    with (folder / "answers").open("r+b", buffering=0) as answers:
        for line in sys.stdin:
            if not line.startswith(ASKS):
                print(line, end="", flush=True)
                continue
            counts = look_for(line.removeprefix(ASKS).split(), folder)
            answers.write((" ".join(map(str, counts)) + "\n").encode())


if __name__ == "__main__":
    if sys.argv[1] == "--dump":
        dump_memory(*map(pathlib.Path, sys.argv[2:]), True)
    else:
        main(pathlib.Path(sys.argv[1]))
