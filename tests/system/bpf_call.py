# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""bpf(2) for small programs of tests."""

import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attr):
    block = ctypes.create_string_buffer(attr, len(attr))
    result = libc.syscall(321, command, block, len(attr))
    assert result >= 0, os.strerror(ctypes.get_errno())
    return result
