#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0

"""Reads and writes variables while other processes have the kernel patch itself.

What was done, and how often, goes to traffic.txt. None of the disturbances may fail, and each must have
happened several times when the variables are done with.
"""

import ctypes
import fcntl
import os
import signal
import struct
import sys
import time

VARS = "/sys/firmware/efi/efivars"
OWN = "5ac1a0de-0000-4000-8000-7e57ed000000"
KNOWN = VARS + "/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
TRACING = "/sys/kernel/tracing"
MODULES = "/build/lib"
FINIT_MODULE, DELETE_MODULE = 313, 176
NV_BS_RT = struct.pack("<I", 7)
# A write that changes nothing ends in the firmware before it comes to the flash, which is slow: it
# takes one in so many that does.
CHANGED = 8
# How often each disturbance must have happened, and how many seconds it may take.
LEAST = 3
LIMIT = 300
# Seconds between two disturbances of a kind: most calls are made while some are under way, and the machine
# is not busy with them alone.
PAUSE = 1.5
# Functions that a processor executes on its way online before it has an interrupt descriptor table. Linux lets them
# be traced, and a breakpoint that the tracer puts there for a moment is then a triple fault: with a launch or
# without, with or without a gate.
BEFORE_IDT = ["cr4_init", "native_write_cr4", "cpu_init_exception_handling", "get_cpu_entry_area", "load_current_idt"]
# Where the kernel can be probed: on the way of the calls, and where everybody passes.
PROBES = ["vfs_read", "efivar_entry_get", "__queue_work", "try_to_wake_up", "hrtimer_interrupt"]


def put(path, text):
    """In one write, which is not tried again."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def syscall(number, *arguments):
    """A call that Python has no function for."""
    if ctypes.CDLL(None, use_errno=True).syscall(number, *arguments):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(arguments))


def tracer():
    """Some functions of the kernel, and every fourth time all that can be traced, are patched, and
    patched back."""
    tracer.round += 1
    put(TRACING + "/set_ftrace_filter", "" if tracer.round % 4 == 2 else "efi* vfs_* *queue_work* schedule*")
    put(TRACING + "/current_tracer", "function")
    time.sleep(0.1)
    put(TRACING + "/current_tracer", "nop")


tracer.round = 0


def spare():
    """Keeps the tracer from BEFORE_IDT."""
    with open(TRACING + "/available_filter_functions") as file:
        known = {line.split()[0] for line in file}
    wanted = [name for name in BEFORE_IDT if name in known]
    put(TRACING + "/set_ftrace_notrace", " ".join(wanted))
    with open(TRACING + "/set_ftrace_notrace") as file:
        spared = {line.split()[0] for line in file}
    assert spared == set(wanted) and "load_current_idt" in spared, (spared, wanted)


def probes():
    put(TRACING + "/kprobe_events", "".join(f"p:gate/at{n} {name}\n" for n, name in enumerate(PROBES)))
    put(TRACING + "/events/gate/enable", "1")
    # The optimizer, which puts jumps in place of breakpoints, takes its time.
    time.sleep(0.3)
    put(TRACING + "/events/gate/enable", "0")
    put(TRACING + "/kprobe_events", "")


def keys():
    """Tracepoints are jump labels and static calls in the kernel's text."""
    for state in "10":
        for group in ("sched", "irq", "timer"):
            put(f"{TRACING}/events/{group}/enable", state)
        time.sleep(0.05)


def modules():
    """test_static_keys flips keys of its own and of another module."""
    names = ["test_module", "test_static_key_base", "test_static_keys"]
    for name in names:
        fd = os.open(f"{MODULES}/{name}.ko", os.O_RDONLY)
        syscall(FINIT_MODULE, fd, b"", 0)
        os.close(fd)
    for name in reversed(names):
        syscall(DELETE_MODULE, name.encode(), os.O_NONBLOCK)


def processors():
    for cpu in range(1, os.sysconf("SC_NPROCESSORS_CONF")):
        for state in "01":
            put(f"/sys/devices/system/cpu/cpu{cpu}/online", state)
            time.sleep(0.5)


def disturb(function, counter, stop):
    """Does it until told to stop; a byte for each time."""
    while not os.path.exists(stop):
        function()
        os.write(counter, b".")
        time.sleep(PAUSE)


def start(function, stop):
    file = f"/tmp/count-{function.__name__}"
    pid = os.fork()
    if pid:
        return pid, file
    try:
        disturb(function, os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), stop)
        os._exit(0)
    except BaseException as e:
        print(f"{function.__name__}: {e}", flush=True)
        os._exit(1)


def write(path, value):
    """One write(2), of attributes and value."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(fd, NV_BS_RT + value)
    os.close(fd)


def mutable(path):
    fd = os.open(path, os.O_RDONLY)
    flags = bytearray(struct.pack("l", 0))
    fcntl.ioctl(fd, 0x80086601, flags)
    fcntl.ioctl(fd, 0x40086602, struct.pack("l", struct.unpack("l", flags)[0] & ~0x10))
    os.close(fd)


def traffic(reads, writes, enough):
    """At least that many, and on until it is enough."""
    path = f"{VARS}/gate-traffic-{OWN}"
    value = os.urandom(32)
    write(path, value)
    mutable(path)
    with open(KNOWN, "rb") as file:
        known = file.read()
    own, other = os.open(path, os.O_RDONLY), os.open(KNOWN, os.O_RDONLY)
    done = written = changed = 0
    while done < reads or written < writes or not enough():
        if done >= reads and written >= writes:
            reads, writes = reads + 40, writes + 10
        if written < writes:
            if written % CHANGED == 0:
                value = os.urandom(32)
                changed += 1
            write(path, value)
            written += 1
        # As many reads to a write as there are in all.
        while done < reads and done * max(writes, 1) <= written * reads:
            fd, wanted = (other, known) if done & 1 else (own, NV_BS_RT + value)
            if os.pread(fd, 100, 0) != wanted:
                raise AssertionError(f"read {done}: not what was written")
            done += 1
    os.unlink(path)
    return done, written, changed


def main():
    with open("/proc/cmdline") as line:
        words = dict(word.split("=", 1) for word in line.read().split() if "=" in word)
    stop = "/tmp/stop"
    begin = time.monotonic()

    def counts():
        return {file.split("-")[-1]: os.path.getsize(file) if os.path.exists(file) else 0 for _, file in others}

    def enough():
        return time.monotonic() > begin + LIMIT or all(count >= LEAST for count in counts().values())

    # All of them, or those that only= names.
    wanted = [tracer, probes, keys, modules, processors]
    if "only" in words:
        wanted = [function for function in wanted if function.__name__ in words["only"].split(",")]
    if tracer in wanted:
        spare()
    others = [start(function, stop) for function in wanted]
    try:
        done, written, changed = traffic(int(words["reads"]), int(words["writes"]), enough)
    finally:
        put(stop, "")
        good = all([os.waitpid(pid, 0)[1] == 0 for pid, _ in others])
    seconds = time.monotonic() - begin
    times = counts()
    with open(os.environ["OUT"] + "/traffic.txt", "w") as file:
        print(f"reads {done}\nwrites {written}\nchanged {changed}\nseconds {seconds:.0f}", file=file)
        for name, count in times.items():
            print(name, count, file=file)
    print(done, "reads", written, "writes,", times, f"{seconds:.0f} s")
    for name, count in times.items():
        if count < LEAST:
            sys.exit(f"{name}: {count} times only")
    sys.exit(not good)


signal.signal(signal.SIGPIPE, signal.SIG_DFL)
main()
