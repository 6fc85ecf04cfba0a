#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0

"""Extends from all sides at once; none may be lost or end up in another PCR.

Two processes extend PCR 16 and 23 at locality 0, through /dev/tpm0 and /dev/tpmrm0.
Where the kernel has the trigger for it (SECURE_LAUNCH_STRESS), a third makes the kernel
record events in PCR 18 meanwhile, at locality 2: a number N written to it makes it do so N
times, the i-th time since boot (from 1) with i as 8 bytes, little endian, for data, and
the write ends when that is done.
"""

import hashlib
import os
import sys
import time

sys.path.insert(0, "/job")
import tpm

TRIGGER = "/sys/kernel/debug/slaunch/extend"
COUNT = 200
PIECE = 10


def digest(number):
    return hashlib.sha256(number.to_bytes(8, "little")).digest()


def replay(value, count):
    for number in range(1, count + 1):
        value = hashlib.sha256(value + digest(number)).digest()
    return value


def user(path, pcr):
    fd = os.open(path, os.O_RDWR)
    for number in range(1, COUNT + 1):
        tpm.call(fd, tpm.extend(pcr, digest(number)))


def kernel():
    for _ in range(COUNT // PIECE):
        with open(TRIGGER, "w") as file:
            file.write(str(PIECE))


def values():
    fd = os.open("/dev/tpmrm0", os.O_RDWR)
    result = {pcr: tpm.pcr(fd, pcr) for pcr in (16, 18, 23)}
    os.close(fd)
    return result


def fork(function, *arguments):
    pid = os.fork()
    if pid:
        return pid
    try:
        function(*arguments)
        os._exit(0)
    except BaseException as e:
        print(f"{function.__name__}{arguments}: {e}", flush=True)
        os._exit(1)


def main():
    at = {16: COUNT, 18: COUNT if os.path.exists(TRIGGER) else 0, 23: COUNT}
    before = values()
    start = time.monotonic()
    children = [fork(user, "/dev/tpm0", 16), fork(user, "/dev/tpmrm0", 23)]
    if at[18]:
        children.append(fork(kernel))
    good = all([os.waitpid(pid, 0)[1] == 0 for pid in children])
    seconds = time.monotonic() - start
    after = values()
    for pcr, count in at.items():
        if after[pcr] != replay(before[pcr], count):
            print(f"PCR {pcr}: {count} extends do not lead from {before[pcr].hex()} to {after[pcr].hex()}")
            good = False
    with open(os.environ["OUT"] + "/stress.txt", "w") as file:
        file.write(f"locality 2: {at[18]}\nextends: {sum(at.values())} in {seconds:.1f} s\n")
    sys.exit(not good)


main()
