#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0

"""The driver is unbound while its device is open: held.py DEVICE DRIVER"""

import errno
import os
import sys
import time

sys.path.insert(0, "/job")
import tpm


def put(path, text):
    with open(path, "w") as file:
        file.write(text)


def main():
    device, driver = sys.argv[1:]
    for path in ("/dev/tpm0", "/dev/tpmrm0"):
        fd = os.open(path, os.O_RDWR)
        before = tpm.pcr(fd, 16)
        put(f"{driver}/unbind", device)
        start = time.monotonic()
        try:
            tpm.transmit(fd, tpm.read_pcr(16))
            sys.exit(f"{path}: a command went through without a driver")
        except OSError as e:
            # What the TPM layer says of a chip without operations.
            if e.errno != errno.EPIPE:
                sys.exit(f"{path}: {e}")
        if time.monotonic() - start > 1:
            sys.exit(f"{path}: it took {time.monotonic() - start:.1f} s to fail")
        os.close(fd)
        put(f"{driver}/bind", device)
        fd = os.open(path, os.O_RDWR)
        if tpm.pcr(fd, 16) != before:
            sys.exit(f"{path}: PCR 16 has changed")
        os.close(fd)


main()
