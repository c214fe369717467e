#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Runs a program from a file system that may stop to answer.

    fuse_program.py PROGRAM [ARGUMENT...]

Prints the program's process ID when it runs. After a line on standard input nothing on that file system is answered any
more, which a second line of output confirms: requests are taken and kept, so that who made them cannot even be
killed. Standard input's end ends the program, the server and the mount, which is in a namespace of its own. Needs root.
The protocol is that of include/uapi/linux/fuse.h.
"""

import ctypes
import errno
import os
import signal
import struct
import subprocess
import sys

LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, FLUSH, INIT, INTERRUPT = 1, 2, 3, 14, 15, 17, 18, 25, 26, 36
BATCH_FORGET = 42
ROOT, FILE = 1, 2
PLACE = "/mnt"
libc = ctypes.CDLL(None, use_errno=True)


def attributes(node, size):
    mode, links = (0o40755, 2) if node == ROOT else (0o100755, 1)
    return struct.pack("<6Q10I", node, size, (size + 511) // 512, 1, 1, 1, 0, 0, 0, mode, links, 0, 0, 0, 4096, 0)


def answer(opcode, node, body, data):
    """The bytes that answer a request, or an error number. Nothing may be cached but pages."""
    if opcode == INIT:
        return struct.pack("<4IHHIIHHI7I", 7, 31, 1 << 17, 0, 12, 10, 1 << 17, 1, 0, 0, 0, *[0] * 7)
    if opcode == LOOKUP:
        return struct.pack("<4Q2I", FILE, 1, 0, 0, 0, 0) + attributes(FILE, len(data))
    if opcode == GETATTR:
        return struct.pack("<QII", 0, 0, 0) + attributes(node, len(data))
    if opcode == OPEN:
        return struct.pack("<QII", 1, 2, 0)  # FOPEN_KEEP_CACHE
    if opcode == READ:
        _, offset, size = struct.unpack_from("<QQI", body)
        return data[offset:offset + size]
    if opcode == STATFS:
        return struct.pack("<5Q4I6I", *[0] * 15)
    return b"" if opcode in (RELEASE, FLUSH) else errno.ENOSYS


def serve(device, data, silent):
    while True:
        try:
            request = os.read(device, 1 << 18)
        except InterruptedError:
            continue
        _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
        if silent() or opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            continue
        said = answer(opcode, node, request[40:], data)
        error, payload = (-said, b"") if isinstance(said, int) else (0, said)
        os.write(device, struct.pack("<IiQ", 16 + len(payload), error, unique) + payload)


def end_with_us():
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def start_server(program):
    device = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other"
    if libc.mount(b"homeward-test", PLACE.encode(), b"fuse", 0, options.encode()):
        raise OSError(ctypes.get_errno(), "mount")
    with open(program, "rb") as file:
        data = file.read()
    server = os.fork()
    if not server:
        told = []
        signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
        end_with_us()
        serve(device, data, lambda: told)
    os.close(device)
    return server


def main():
    if libc.unshare(0x20000):  # CLONE_NEWNS
        raise OSError(ctypes.get_errno(), "unshare")
    libc.mount(b"none", b"/", None, 0x44000, None)  # MS_REC | MS_PRIVATE
    server = start_server(sys.argv[1])
    program = subprocess.Popen([os.path.join(PLACE, os.path.basename(sys.argv[1])), *sys.argv[2:]],
                               stdout=subprocess.DEVNULL, preexec_fn=end_with_us)
    print(program.pid, flush=True)
    if sys.stdin.readline():
        os.kill(server, signal.SIGUSR1)
        print("silent", flush=True)
        sys.stdin.read()
    os.kill(server, signal.SIGKILL)  # the kernel then fails all that waits for it
    os.waitpid(server, 0)
    program.kill()
    program.wait()


if __name__ == "__main__":
    main()
