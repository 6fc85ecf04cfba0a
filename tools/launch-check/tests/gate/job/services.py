#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0

"""Runtime services one by one, as the caller in the kernel sees them. What has to be the same
in every mode goes to results.txt."""

import datetime
import os
import sys

sys.path.insert(0, "/job")
from efi import Efi, FILL, NV_BS_RT

OWN = "5ac1a0de-0000-4000-8000-7e57ed000000"
GLOBAL = "8be4df61-93ca-11d2-aa0d-00e098032b8c"
VARS = "/sys/firmware/efi/efivars"


def result(*words):
    with open(os.environ["OUT"] + "/results.txt", "a") as file:
        print(*words, file=file)


def expect(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found}, expected {wanted}")


def variables(efi):
    name, value = "gate-services", bytes(range(64))
    expect("not there", efi.get(name, OWN, 64), ("not found", 0, 64, bytes([FILL]) * 64))
    expect("set", efi.set(name, OWN, NV_BS_RT, value), "success")
    expect("get", efi.get(name, OWN, 64), ("success", NV_BS_RT, 64, value))
    # No byte is written beyond what the variable has, nor where there is too little room.
    expect("get, larger", efi.get(name, OWN, 80)[3], value + bytes([FILL]) * 16)
    status, _, length, data = efi.get(name, OWN, 10)
    expect("get, too small", (status, length, data), ("buffer too small", 64, bytes([FILL]) * 10))
    expect("append", efi.set(name, OWN, NV_BS_RT | 0x40, b"more"), "success")
    expect("get, appended", efi.get(name, OWN, 68)[3], value + b"more")
    status, names = efi.names()
    expect("end of the names", status, "not found")
    expect("is among the names", names.count(f"{name}-{OWN}"), 1)
    expect("delete", efi.set(name, OWN, NV_BS_RT, b""), "success")
    expect("deleted", efi.get(name, OWN, 64)[0], "not found")
    expect("delete again", efi.set(name, OWN, NV_BS_RT, b""), "not found")
    # As the kernel has them: efivarfs leaves none out of these.
    listed = sorted(entry for entry in os.listdir(VARS))
    expect("efivarfs lists", listed, sorted(n for n in names if n != f"{name}-{OWN}"))
    result("variables", len(listed))
    result("SecureBoot", *efi.get("SecureBoot", GLOBAL, 1))
    result("volatile", efi.set(name, OWN, 6, value), "read-only", efi.set("SecureBoot", GLOBAL, 6, b"\1"))


def clock(efi):
    """The firmware's clock is the machine's, to 5 seconds."""
    status, time, capabilities, raw = efi.get_time()
    expect("GetTime", status, "success")
    found = datetime.datetime(*time[:6])
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    if abs((found - now).total_seconds()) > 5:
        sys.exit(f"GetTime gives {found}, it is {now}")
    result("GetTime", time[6:], capabilities.hex())
    expect("SetTime", efi.set_time(raw), "success")
    after = datetime.datetime(*efi.get_time()[1][:6])
    if abs((after - found).total_seconds()) > 5:
        sys.exit(f"GetTime gives {after} after SetTime to {found}")
    raw.raw = raw.raw[:2] + b"\x0d" + raw.raw[3:]
    result("SetTime, month 13", efi.set_time(raw))


def wakeup(efi):
    result("GetWakeupTime", *efi.get_wakeup())


def storage(efi):
    for attributes in (7, 6, 2, 1, 0):
        status, values = efi.query(attributes)
        # What remains depends on what firmware has kept in the store before.
        result("QueryVariableInfo", attributes, status, values[0], values[2])
    status, values = efi.query(NV_BS_RT)
    expect("QueryVariableInfo", status, "success")
    before = values[1]
    expect("set", efi.set("gate-storage", OWN, NV_BS_RT, bytes(1000)), "success")
    used = before - efi.query(NV_BS_RT)[1][1]
    result("storage used by 1000 bytes", used)
    if not 1000 <= used <= 1200:
        sys.exit(f"{used} bytes used")
    expect("delete", efi.set("gate-storage", OWN, NV_BS_RT, b""), "success")


def count(efi):
    status, first = efi.high_count()
    expect("GetNextHighMonotonicCount", status, "success")
    expect("the next", efi.high_count(), ("success", first + 1))
    result("GetNextHighMonotonicCount", first)


def capsule(efi):
    """A capsule that the firmware knows, one that it does not, with the flags it may have."""
    for guid in ("6dcbd5ed-e82d-4c44-bda1-7194199ad92a", "3b8c8162-188c-46a4-aec9-be43f1d65697", OWN):
        for flags in (0, 0x10000, 0x20000, 0x30000, 0x40000, 0x50000):
            result("QueryCapsuleCapabilities", guid, hex(flags), *efi.capsule(guid, flags))


def mask(efi):
    result("supported", hex(efi.supported()))


{
    "variables": variables, "time": clock, "wakeup": wakeup, "storage": storage, "count": count,
    "capsule": capsule, "mask": mask,
}[sys.argv[1]](Efi())
