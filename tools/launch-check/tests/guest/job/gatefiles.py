#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0

"""The files of the EFI gate in securityfs, after a launch in the mode verify.

gatefiles.py (as a job) runs all cases that suit the kernel, which may be locked down;
gatefiles.py write TEXT writes TEXT to the file "mode" and ends with the number of the error.
"""

import errno
import glob
import hashlib
import os
import re
import subprocess
import sys

sys.path.insert(0, "/job")
import tpm

SLAUNCH = "/sys/kernel/security/slaunch"
GATE = SLAUNCH + "/efi"
SERVICES = """GetTime SetTime GetWakeupTime SetWakeupTime SetVirtualAddressMap GetVariable
GetNextVariableName SetVariable GetNextHighMonotonicCount ResetSystem UpdateCapsule
QueryCapsuleCapabilities QueryVariableInfo PRM_handler unknown_service""".split()


def read(path):
    with open(path) as file:
        return file.read()


def put(path, text):
    with open(path, "w") as file:
        file.write(text)


def mode():
    return read(GATE + "/mode")


def log():
    """The events, without the record before them, which says how much of the log is used."""
    with open(SLAUNCH + "/eventlog", "rb") as file:
        data = file.read()
    return data[32 + int.from_bytes(data[28:32], "little"):]


def pcr():
    fd = os.open("/dev/tpm0", os.O_RDWR)
    value = tpm.pcr(fd, 18)
    os.close(fd)
    return value


def write(text):
    """What a write to the file "mode" ends with: 0, or the number of the error."""
    try:
        fd = os.open(GATE + "/mode", os.O_WRONLY)
    except OSError as e:
        return e.errno
    try:
        done = os.write(fd, text)
        assert done == len(text), f"{done} bytes of {text} written"
        return 0
    except OSError as e:
        return e.errno
    finally:
        os.close(fd)


def refused(text, number, by=write):
    """A write fails with this error, and changes nothing."""
    before = mode(), log(), pcr()
    got = by(text)
    assert got == number, f"{text}: error {got}, not {number}"
    assert (mode(), log(), pcr()) == before, f"{text} had an effect"


def changes(text, event, now):
    """A write is extended and logged with the data `event`, once, and then the mode is `now`."""
    log_before, pcr_before = log(), pcr()
    got = write(text)
    assert got == 0, f"{text}: error {got}"
    digest = hashlib.sha256(event).digest()
    assert pcr() == hashlib.sha256(pcr_before + digest).digest(), "PCR 18 was extended otherwise"
    grown = log()
    assert grown.startswith(log_before), "the log was not only added to"
    # PCR, type, one digest: SHA-256.
    record = (18).to_bytes(4, "little") + (0x502).to_bytes(4, "little") + (1).to_bytes(4, "little")
    record += (11).to_bytes(2, "little") + digest + len(event).to_bytes(4, "little") + event
    assert grown[len(log_before):] == record, grown[len(log_before):]
    shown(now)


def shown(words):
    """The mode is the same everywhere."""
    assert mode() == words + "\n", mode()
    line = f"\nefi_gate: {words}\n"
    assert line in read(SLAUNCH + "/state"), read(SLAUNCH + "/state")


def services(word):
    assert f"\nefi_services: {word}\n" in read(SLAUNCH + "/state"), read(SLAUNCH + "/state")


def as_child(*command):
    """By a child with these rights: the number of the error."""
    return lambda text: subprocess.run(
        [*command, "python3", "/job/gatefiles.py", "write", text.decode()]).returncode


def permissions():
    wanted = {"calls": 0o444, "check": 0o600, "last": 0o400, "mapped": 0o400, "mode": 0o600, "prm": 0o600, "regions": 0o400,
              "traps": 0o444, "violations": 0o444}
    found = {name: os.stat(f"{GATE}/{name}").st_mode & 0o7777 for name in os.listdir(GATE)}
    assert found == wanted, found
    assert os.stat(GATE + "/mode").st_uid == 0


def at_first():
    shown("verify,panic,full")
    services("available")
    assert read(GATE + "/violations") == "0\n"
    assert read(GATE + "/last") == ""


def calls():
    lines = [line.split(" ") for line in read(GATE + "/calls").splitlines()]
    assert [line[0] for line in lines] == SERVICES, lines
    assert all(len(line) == 3 and line[1].isdigit() and line[2].isdigit() for line in lines), lines


def regions():
    """As sysfs has them, where the kernel's map is from."""
    lines = [line.split(" ") for line in read(GATE + "/regions").splitlines()]
    found = {}
    for kind, base, pages, attribute, *digest in lines:
        if kind == "code":
            assert re.fullmatch("[0-9a-f]{64}", digest[0]), digest
        else:
            assert not digest, digest
        number = {"code": 5, "data": 6}.get(kind) or int(kind.removeprefix("type_"))
        found[int(base, 16)] = number, int(pages), int(attribute, 16)
    assert any(number == 5 for number, _, _ in found.values()), found
    assert any(number == 6 for number, _, _ in found.values()), found
    assert all(attribute >> 63 for _, _, attribute in found.values()), found
    wanted = {}
    for path in glob.glob("/sys/firmware/efi/runtime-map/*"):
        value = {name: int(read(f"{path}/{name}"), 0)
                 for name in ("type", "phys_addr", "num_pages", "attribute")}
        if value["attribute"] >> 63:
            wanted[value["phys_addr"]] = value["type"], value["num_pages"], value["attribute"]
    if wanted:
        assert found == wanted, (found, wanted)
    print(f"# {len(found)} regions, {len(wanted)} of them in sysfs")


def digests():
    """Code does not change, so a second reading finds the same, and regions differ."""
    first, second = read(GATE + "/regions"), read(GATE + "/regions")
    assert first == second
    found = [line.split(" ")[4] for line in first.splitlines() if line.startswith("code ")]
    assert len(set(found)) == len(found), found


def check():
    """Digests are checked with each call and on demand; other requests are refused."""
    def count():
        text = read(GATE + "/check")
        assert re.fullmatch("[0-9]+\n", text), text
        return int(text)
    before = count()
    assert before > 0
    put(GATE + "/check", "1\n")
    assert count() == before + 1
    for text in "", "\n", "0", "2\n", "11", "1 ", "1\n\n":
        try:
            put(GATE + "/check", text)
            assert text == "", text
        except OSError as e:
            assert e.errno == errno.EINVAL, (text, e)
    assert count() == before + 1
    variable()
    assert count() > before + 1
    assert read(GATE + "/violations") == "0\n"


def handlers():
    """Only the mode isolate has a list of PRM handlers."""
    assert read(GATE + "/prm") == ""
    for text, number in ("01234567-89ab-cdef-0123-456789abcdef\n", errno.EOPNOTSUPP), ("all\n", errno.EINVAL):
        try:
            put(GATE + "/prm", text)
            raise AssertionError(f"{text} was written")
        except OSError as e:
            assert e.errno == number, (text, e)


def other_files():
    for name in "calls", "last", "mapped", "regions", "traps", "violations":
        fd = os.open(f"{GATE}/{name}", os.O_WRONLY)
        try:
            os.write(fd, b"0\n")
            raise AssertionError(f"{name} was written")
        except OSError as e:
            assert e.errno == errno.EINVAL, (name, e)
        finally:
            os.close(fd)


def garbage():
    for text in (b"\n", b"\0", b"trust\0", b"Trust\n", b"trust \n", b"trust,\n", b"trust\n\n", b"trust,panic,disable",
                 b"disable\n", b"isolated\n", b"verify,smm=deny", b"trust,svam=none", b"isolate,full",
                 b"trust,trust", b"verify -> trust\n", b"off" + 4096 * b"\n"):
        refused(text, errno.EINVAL)


def present_mode():
    refused(b"verify\n", 0)
    refused(b"verify,panic,full", 0)


def without_capability():
    refused(b"trust", errno.EPERM, as_child("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"))
    refused(b"off", errno.EPERM, as_child("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"))


def as_another_user():
    refused(b"trust", errno.EACCES, as_child("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"))


def without_tpm():
    """Nothing can be extended, so nothing changes."""
    device = os.path.realpath("/sys/class/tpm/tpm0/device")
    driver = os.path.realpath(device + "/driver")
    before = log(), pcr()
    put(driver + "/unbind", os.path.basename(device))
    try:
        got = write(b"trust"), write(b"off")
        assert got == (errno.ENODEV, errno.ENODEV), got
        shown("verify,panic,full")
        services("available")
    finally:
        put(driver + "/bind", os.path.basename(device))
    assert (log(), pcr()) == before


def to_trust():
    changes(b"trust\n", b"EFI gate: verify -> trust", "trust,panic,full")
    services("available")


def never_back():
    refused(b"verify\n", errno.EPERM)
    refused(b"verify,disable,fast\n", errno.EPERM)
    refused(b"isolate\n", errno.EPERM)


def concurrent():
    """Of several writers who want the same, one makes the change."""
    before = len(log())
    children = []
    for _ in range(8):
        pid = os.fork()
        if not pid:
            os._exit(write(b"trust,fast"))
        children.append(pid)
    ended = [os.waitpid(pid, 0)[1] for pid in children]
    assert ended == 8 * [0], ended
    event = b"EFI gate: trust,panic,full -> trust,panic,fast"
    assert log()[before:].endswith(event), log()[before:]
    assert log()[before:].count(b"EFI gate") == 1
    shown("trust,panic,fast")


def policy():
    changes(b"trust,disable", b"EFI gate: trust,panic,fast -> trust,disable,fast", "trust,disable,fast")
    refused(b"trust,panic", errno.EPERM)
    refused(b"trust,full", errno.EPERM)


def variable():
    path = glob.glob("/sys/firmware/efi/efivars/BootOrder-*")
    assert path, "no EFI variables"
    with open(path[0], "rb") as file:
        return file.read()


def off(event):
    def case():
        assert len(variable()) > 4
        changes(b"off\n", event, "off")
        services("stopped")
        try:
            variable()
            raise AssertionError("a variable could be read")
        except OSError as e:
            print(f"# a variable: {e.strerror}")
    return case


def off_for_good():
    for text in b"verify", b"trust", b"verify,disable":
        refused(text, errno.EPERM)
    refused(b"off", 0)


def locked_down():
    assert "[integrity]" in read("/sys/kernel/security/lockdown")
    for text in b"trust", b"verify,disable", b"verify,fast":
        refused(text, errno.EPERM)
    refused(b"verify", 0)


COMMON = [permissions, at_first, calls, regions, digests, check, handlers, other_files, garbage, present_mode]
FREE = [without_capability, as_another_user, without_tpm, to_trust, never_back, concurrent, policy,
        ("off", off(b"EFI gate: trust -> off")), off_for_good]
# There is more safety than before when it is switched off.
LOCKED = [locked_down, ("off", off(b"EFI gate: verify -> off")), off_for_good]


def main():
    if sys.argv[1:2] == ["write"]:
        sys.exit(write(sys.argv[2].encode()))
    with open("/proc/cmdline") as line:
        cases = COMMON + (LOCKED if "lockdown=integrity" in line.read().split() else FREE)
    for number, case in enumerate(cases, 1):
        name, function = case if isinstance(case, tuple) else (case.__name__, case)
        try:
            function()
            print(f"ok {number} {name}", flush=True)
        except (AssertionError, OSError, ValueError) as e:
            print(f"# {e!r}\nnot ok {number} {name}", flush=True)
    print(f"1..{len(cases)}")


main()
