# SPDX-License-Identifier: GPL-2.0

"""Runtime services through the kernel's efi_test module (drivers/firmware/efi/test)."""

import ctypes
import fcntl
import os
import struct
import subprocess
import uuid

DEVICE = "/dev/efi_test"
MODULE = "/build/drivers/firmware/efi/test/efi_test.ko"
READ, WRITE = 2, 1
NV_BS_RT = 7
ERRORS = {
    0: "success", 2: "invalid parameter", 3: "unsupported", 5: "buffer too small", 6: "not ready",
    7: "device error", 8: "write protected", 9: "out of resources", 14: "not found", 21: "aborted",
    26: "security violation",
}
# What the caller's variables hold before a call, so that one which is not written shows.
FILL = 0xa5


def name_of(status):
    code = status & 0xffffffff
    return ERRORS.get(code, hex(status)) if status >> 63 or not code else hex(status)


class Efi:
    """The open device. Each call returns the name of the status and what else there is."""

    def __init__(self):
        if not os.path.exists(DEVICE):
            subprocess.run(["insmod", MODULE], check=True)
        self.fd = os.open(DEVICE, os.O_RDWR)

    def ioctl(self, number, direction, data):
        request = direction << 30 | len(data) << 16 | ord("p") << 8 | number
        try:
            fcntl.ioctl(self.fd, request, bytearray(data), True)
            return None
        except OSError as e:
            return e

    def call(self, number, direction, form, *fields):
        """A call whose last field is a pointer to the status."""
        status = ctypes.c_uint64(0x5555)
        values = [f if isinstance(f, int) else ctypes.addressof(f) for f in fields]
        data = struct.pack("<" + form + "Q", *values, ctypes.addressof(status))
        error = self.ioctl(number, direction, data)
        if error and status.value == 0x5555:
            # The kernel did not get as far as the call.
            return f"errno {error.errno}"
        return name_of(status.value)

    def get(self, name, guid, size):
        data, length = buffer(size), ctypes.c_uint64(size)
        attributes = ctypes.c_uint32(0)
        status = self.call(1, READ | WRITE, "QQQQQ", text(name), guid_of(guid), attributes, length, data)
        return status, attributes.value, length.value, data.raw[:size]

    def set(self, name, guid, attributes, value):
        data = ctypes.create_string_buffer(value, max(len(value), 1))
        return self.call(2, WRITE, "QQIQQ", text(name), guid_of(guid), attributes, len(value), data)

    def get_time(self):
        time, capabilities = buffer(16), buffer(12)
        status = self.call(3, READ, "QQ", time, capabilities)
        year, month, day, hour, minute, second, _, ns, zone, daylight, _ = struct.unpack("<HBBBBBBIhBB", time.raw[:16])
        return status, (year, month, day, hour, minute, second, ns, zone, daylight), capabilities.raw[:9], time

    def set_time(self, time):
        return self.call(4, WRITE, "Q", time)

    def get_wakeup(self):
        enabled, pending, time = ctypes.c_uint8(0), ctypes.c_uint8(0), buffer(16)
        return self.call(5, READ, "QQQ", enabled, pending, time), enabled.value, pending.value

    def names(self):
        """All variables, by GetNextVariableName."""
        found, name, guid = [], buffer(1024), buffer(16)
        name.raw, guid.raw = bytes(1024), bytes(16)
        while True:
            size = ctypes.c_uint64(1024)
            status = self.call(7, READ | WRITE, "QQQ", size, name, guid)
            if status != "success":
                return status, found
            found.append(name.raw[:size.value].decode("utf-16le").rstrip("\0") + "-" + str(uuid.UUID(bytes_le=guid.raw[:16])))

    def query(self, attributes):
        values = [ctypes.c_uint64(0) for _ in range(3)]
        return self.call(8, READ, "IQQQ", attributes, *values), [v.value for v in values]

    def high_count(self):
        count = ctypes.c_uint32(0)
        return self.call(9, READ, "Q", count), count.value

    def capsule(self, guid, flags):
        header = ctypes.create_string_buffer(uuid.UUID(guid).bytes_le + struct.pack("<III", 28, flags, 28), 28)
        array = (ctypes.c_uint64 * 1)(ctypes.addressof(header))
        size, kind = ctypes.c_uint64(0), ctypes.c_int32(-1)
        return self.call(10, READ, "QQQQ", array, 1, size, kind), size.value, kind.value

    def reset(self, kind):
        return self.ioctl(11, WRITE, struct.pack("<iQQQ", kind, 0, 0, 0))

    def supported(self):
        mask = ctypes.c_uint32(0)
        data = bytearray(4)
        fcntl.ioctl(self.fd, READ << 30 | 4 << 16 | ord("p") << 8 | 12, data, True)
        mask.value, = struct.unpack("<I", data)
        return mask.value


def buffer(size):
    return ctypes.create_string_buffer(bytes([FILL]) * size, size)


def text(name):
    return ctypes.create_string_buffer(name.encode("utf-16le") + b"\0\0")


def guid_of(guid):
    return ctypes.create_string_buffer(uuid.UUID(guid).bytes_le, 16)
