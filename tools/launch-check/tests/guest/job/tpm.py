# SPDX-License-Identifier: GPL-2.0

"""The few TPM commands that the jobs send by themselves (TPM 2.0 Library, Part 3)."""

import os
import struct

CC_PCR_EXTEND = 0x182
CC_PCR_READ = 0x17E
CC_GET_CAPABILITY = 0x17A
ALG_SHA256 = 0x000B
RS_PW = 0x40000009


class RcError(Exception):
    """The TPM answered with a response code that is not success."""

    def __init__(self, rc):
        super().__init__(f"response code {rc:#x}")
        self.rc = rc


def message(tag, code, body):
    return struct.pack(">HII", tag, 10 + len(body), code) + body


def extend(pcr, digest):
    """PCR_Extend of the SHA-256 bank, 22.2"""
    session = struct.pack(">IIHBH", 9, RS_PW, 0, 0, 0)
    return message(0x8002, CC_PCR_EXTEND, struct.pack(">I", pcr) + session
                   + struct.pack(">IH", 1, ALG_SHA256) + digest)


def read_pcr(pcr):
    """PCR_Read of the SHA-256 bank, 22.4"""
    bits = (1 << pcr).to_bytes(3, "little")
    return message(0x8001, CC_PCR_READ, struct.pack(">IHB", 1, ALG_SHA256, 3) + bits)


def get_capability(capability, start, count):
    """GetCapability, 30.2"""
    return message(0x8001, CC_GET_CAPABILITY, struct.pack(">III", capability, start, count))


def transmit(fd, command):
    """The response to a command, with its header."""
    os.write(fd, command)
    return os.read(fd, 4096)


def call(fd, command):
    """The response's body; RcError for a failure."""
    response = transmit(fd, command)
    _, size, rc = struct.unpack(">HII", response[:10])
    if size != len(response):
        raise ValueError(f"a response of {size} bytes has {len(response)}")
    if rc:
        raise RcError(rc)
    return response[10:]


def pcr(fd, number):
    """A PCR's value."""
    return call(fd, read_pcr(number))[-32:]
