#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0

"""Variables set, read and deleted over and over, at the limits, and by several at the same time."""

import os
import random
import subprocess
import sys
import time

sys.path.insert(0, "/job")
from efi import Efi, NV_BS_RT

OWN = "5ac1a0de-0000-4000-8000-7e57ed000000"
VARS = "/sys/firmware/efi/efivars"
# Values change, and variables are deleted, once in so many cycles. This firmware has no way to tidy its flash
# up at run time: what is deleted takes room until the next boot.
EVERY = 250


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found}, expected {wanted}")


def cycles(efi):
    """Set and read, and deleted now and then. What is set as it is already ends in the firmware."""
    with open("/proc/cmdline") as line:
        words = dict(word.split("=", 1) for word in line.read().split() if "=" in word)
    begin = time.monotonic()
    writes = 0
    for cycle in range(int(words["cycles"])):
        name = f"gate-cycle-{cycle % 5}"
        if cycle % EVERY < 5:
            # All five, in turn.
            value = value if cycle % EVERY else os.urandom(random.randrange(1, 200))
            writes += 2
            if cycle >= 5:
                expect("delete", efi.set(name, OWN, NV_BS_RT, b""), "success")
                expect("deleted", efi.get(name, OWN, 256)[0], "not found")
        expect("set", efi.set(name, OWN, NV_BS_RT, value), "success")
        found = efi.get(name, OWN, 256)
        expect("get", (found[0], found[1], found[3][:found[2]]), ("success", NV_BS_RT, value))
    for n in range(5):
        expect("delete", efi.set(f"gate-cycle-{n}", OWN, NV_BS_RT, b""), "success")
    with open(os.environ["OUT"] + "/cycles.txt", "w") as file:
        print(f"cycles {words['cycles']}\nflash {writes}\nseconds {time.monotonic() - begin:.0f}", file=file)


def limits(efi):
    """Names and values as long as they may be, and longer; many variables."""
    for length in (1, 2, 255, 500, 1000):
        name = "n" * length
        status = efi.set(name, OWN, NV_BS_RT, b"x")
        expect(f"name of {length}", status, "success")
        expect(f"name of {length}", efi.get(name, OWN, 1)[0], "success")
        # The kernel's list takes names of up to 1024 bytes.
        status, names = efi.names() if length < 500 else ("not found", [f"{name}-{OWN}"])
        expect("names", (status, f"{name}-{OWN}" in names), ("not found", True))
        expect("delete", efi.set(name, OWN, NV_BS_RT, b""), "success")
    for size in (1, 4096, 8000, 30000, 32000):
        value = os.urandom(size)
        expect(f"{size} bytes", efi.set("gate-size", OWN, NV_BS_RT, value), "success")
        found = efi.get("gate-size", OWN, size)
        expect(f"{size} bytes", (found[0], found[3]), ("success", value))
        found = efi.get("gate-size", OWN, size - 1)
        expect(f"{size} bytes in less", (found[0], found[2]), ("buffer too small", size))
        # Much room is no mistake.
        expect("much room", efi.get("gate-size", OWN, 60000)[0], "success")
        expect("delete", efi.set("gate-size", OWN, NV_BS_RT, b""), "success")
    for size in (40000, 70000, 1 << 20):
        status = efi.set("gate-size", OWN, NV_BS_RT, bytes(size))
        if status not in ("invalid parameter", "out of resources"):
            sys.exit(f"{size} bytes: {status}")
    for n in range(40):
        expect("many", efi.set(f"gate-many-{n}", OWN, NV_BS_RT, b"%d" % n), "success")
    status, names = efi.names()
    expect("many", (status, sum("gate-many-" in name for name in names)), ("not found", 40))
    for n in range(40):
        expect("delete", efi.set(f"gate-many-{n}", OWN, NV_BS_RT, b""), "success")


def user(number):
    """Several variables of one's own by efivarfs, and the list of all."""
    efi = Efi()
    for turn in range(40):
        name = f"gate-user-{number}"
        value = b"%d-%d" % (number, turn)
        expect("set", efi.set(name, OWN, NV_BS_RT, value), "success")
        found = efi.get(name, OWN, 64)
        expect("get", (found[0], found[3][:found[2]]), ("success", value))
        with open(f"{VARS}/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", "rb") as file:
            expect("SecureBoot", len(file.read()), 5)
        if turn % 10 == 0:
            expect("time", efi.get_time()[0], "success")
    expect("delete", efi.set(name, OWN, NV_BS_RT, b""), "success")


def users(_):
    others = [subprocess.Popen([sys.executable, __file__, "user", str(n)]) for n in range(4)]
    bad = [n for n, other in enumerate(others) if other.wait(timeout=150)]
    expect("failed", bad, [])


if sys.argv[1] == "user":
    user(int(sys.argv[2]))
else:
    {"cycles": cycles, "limits": limits, "users": users}[sys.argv[1]](Efi())
