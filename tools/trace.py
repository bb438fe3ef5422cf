#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Pass on what a guest says, but follow its processor step by step when it asks for that.

Usage: trace.py DIR < OUTPUT, where DIR is that of the guest, with the socket "gdb" of QEMU's stub
and the pipe "answers", which the guest reads.

A guest asks by a line "# trace BEGIN END", of two addresses in hexadecimal; END is 0 if it is where
the function at BEGIN returns to. When it is told "go", it has to come by BEGIN. Then it is told
which instructions were executed: a line "ADDRESS COUNT LOCKED" for each, in the order in which they
were first, where LOCKED is 1 if the instruction locks the bus; and "end".
"""

import collections
import pathlib
import socket
import sys

ASKS = "# trace "
RSP, RIP = 7, 16
LOCK = 0xF0
# Prefixes that may stand before or after it.
PREFIXES = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF2, 0xF3, LOCK}


class Stub:
    """QEMU's, by the GDB Remote Serial Protocol. The guest is stopped once this is connected."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.stream = self.socket.makefile("rb")

    def send(self, text):
        self.socket.sendall(f"${text}#{sum(text.encode()) % 256:02x}".encode())

    def receive(self):
        while self.stream.read(1) != b"$":
            pass
        text = b"".join(iter(lambda: self.stream.read(1), b"#")).decode()
        self.stream.read(2)
        self.socket.sendall(b"+")
        return text

    def ask(self, text):
        self.send(text)
        answer = self.receive()
        if answer.startswith("E"):
            raise OSError(f"QEMU's stub: {text}: {answer}")
        return answer

    def register(self, number):
        return int.from_bytes(bytes.fromhex(self.ask(f"p{number:x}"))[:8], "little")

    def memory(self, address, length):
        return bytes.fromhex(self.ask(f"m{address:x},{length:x}"))

    def detach(self):
        self.ask("D")
        self.socket.close()


def is_locked(code):
    for byte in code:
        if byte == LOCK:
            return True
        if byte not in PREFIXES and not 0x40 <= byte < 0x50:
            return False
    return False


def follow(stub, begin, end):
    """All addresses from BEGIN on, until END, and which of them have a locked instruction."""
    stub.ask(f"Z1,{begin:x},1")
    if not stub.ask("c").startswith("T"):
        raise OSError("QEMU's stub: the guest does not come by")
    stub.ask(f"z1,{begin:x},1")
    if not end:
        end = int.from_bytes(stub.memory(stub.register(RSP), 8), "little")
    addresses, locked = [begin], {}
    while True:
        at = addresses[-1]
        if at not in locked:
            locked[at] = is_locked(stub.memory(at, 4))
        stub.ask("s")
        at = stub.register(RIP)
        if at == end:
            return addresses, locked
        addresses.append(at)


def trace(request, folder, answers):
    begin, end = (int(address, 16) for address in request.split())
    stub = Stub(folder / "gdb")
    stub.ask("?")
    answers.write(b"go\n")
    addresses, locked = follow(stub, begin, end)
    stub.detach()
    for address, count in collections.Counter(addresses).items():
        answers.write(f"{address:016x} {count} {locked[address]:d}\n".encode())
    answers.write(b"end\n")


def main(folder):
    # Opened for reading as well, so that this does not wait for the guest.
    with (folder / "answers").open("r+b", buffering=0) as answers:
        for line in sys.stdin:
            if line.startswith(ASKS):
                trace(line.removeprefix(ASKS), folder, answers)
            else:
                print(line, end="", flush=True)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
