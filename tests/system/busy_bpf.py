#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""busy_bpf.py SECONDS: write to a BPF map all the time; the kernel drops what BPF programs would sample meanwhile."""

import ctypes
import struct
import sys
import time

from bpf_call import bpf

ENTRIES = 20000

table = bpf(0, struct.pack("<IIIII", 1, 4, 8, ENTRIES, 0))  # BPF_MAP_CREATE of a hash
keys = ctypes.create_string_buffer(struct.pack(f"<{ENTRIES}I", *range(ENTRIES)))
values = ctypes.create_string_buffer(8 * ENTRIES)
end = time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    bpf(26, struct.pack("<QQQQIIQQ", 0, 0, ctypes.addressof(keys), ctypes.addressof(values), ENTRIES, table, 0, 0))
