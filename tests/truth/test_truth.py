#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""A short run of what "make truth" does, for make check."""

import contextlib
import io
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "system"))

import hw  # noqa: E402  (the path has to be set first)
import programs  # noqa: E402
import truth  # noqa: E402

STACKS = 2000
# What takes long or is mostly beyond libdwfl is left to make truth; test_record.py has handlers on their own stack.
NOT_HERE = ("C, signals, own stack", "clang")


def test_walks_equal_those_of_libdwfl_frame_by_frame():
    hw.need_recording()
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        commands = {name: command for name, command in programs.programs(hw.workload).items() if name not in NOT_HERE}
        total = truth.run(STACKS, seconds_max=1, commands=commands)
    print(output.getvalue())
    assert not truth.judge(total), truth.judge(total)
    assert total["walks"] >= STACKS / 2, total
    assert 0.1 * total["walks"] < total["at_once"] < 0.9 * total["walks"], total
    assert total["equal"] > 0.8 * total["walks"], total
    # node's builtins at their first instructions, where libdwfl guesses by rbp
    assert total["undecided"] < 0.02 * total["walks"], total
    assert total["ours_short"] < 0.001 * total["walks"], total


def test_a_truth_record_has_the_red_zone_and_all_mappings():
    """More code mappings than any window holds: each is recorded, and the copy begins below rsp."""
    hw.need_recording()
    script = ("import mmap\n"
              "maps = [mmap.mmap(-1, 4096 * 2) for _ in range(300)]\n"
              "import ctypes\n"
              "address = lambda m: ctypes.addressof(ctypes.c_char.from_buffer(m))\n"
              "protect = ctypes.CDLL(None).mprotect\n"
              "protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]\n"
              "for m in maps: protect(address(m), 4096, 5)\n"
              "while True: sorted(range(1000))\n")
    truth.record(["/usr/bin/python3", "-c", script], 1, least=400)
    walks = list(truth.walks("truth.bin"))
    assert len(walks) > 50, len(walks)
    assert max(walk["mapping_count"] for walk in walks) > 300, walks[-1]
    late = walks[len(walks) // 2:]
    assert all(walk["rsp"] - walk["stack_address"] in range(121, 136) for walk in late), late[-1]


if __name__ == "__main__":
    hw.main(globals())
