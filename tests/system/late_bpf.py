#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""late_bpf.py TIMES: after half a second, load a BPF program called hw_late and run it for a while, TIMES times."""

import ctypes
import struct
import sys
import time

from bpf_call import bpf

code = (struct.pack("<BBhi", 0xB7, 1, 0, 10000)  # r1 = 10000
        + struct.pack("<BBhi", 0x17, 1, 0, 1)  # r1 -= 1
        + struct.pack("<BBhi", 0x55, 1, -2, 0)  # if r1 != 0 goto -2
        + struct.pack("<BBhi", 0xB7, 0, 0, 0)  # r0 = 0
        + struct.pack("<BBhi", 0x95, 0, 0, 0))  # exit
insns, gpl, data = (ctypes.create_string_buffer(part) for part in (code, b"GPL", bytes(64)))
time.sleep(0.5)
program = bpf(5, struct.pack("<IIQQIIQII16s", 1, len(code) // 8, ctypes.addressof(insns), ctypes.addressof(gpl), 0, 0, 0,
                             0, 0, b"hw_late"))  # BPF_PROG_LOAD of a socket filter
for _ in range(int(sys.argv[1])):
    bpf(10, struct.pack("<IIIIQQII", program, 0, 64, 0, ctypes.addressof(data), 0, 10000, 0))  # BPF_PROG_TEST_RUN
