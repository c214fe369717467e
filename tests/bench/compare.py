#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Does a change pay? Builds of homeward against each other, in interleaved rounds on one machine.

    compare.py BUILD BUILD...        build directories; the programs that are sampled are those of the first

Environment: ROUNDS (7), RATE (4999), KIND (cpu, kernel, processes or threads: what work.c calls them).

Printed are medians (least–most): the gap that a sample makes in a program that watches its clock; the time of the
BPF program on a sample, as the kernel counts it; the recorder's own CPU time a sample; both of gap and recorder; and
the run time added to a fixed amount of work, which is what matters and what is the least exact.
"""

import os
import sys

BUILDS = [os.path.abspath(each) for each in sys.argv[1:]]
os.environ.setdefault("HW_BUILD", BUILDS[0] if BUILDS else "build")

import cost  # noqa: E402
import gaps  # noqa: E402
from common import Scratch, progress, spread  # noqa: E402
from maps import Runs, enable_statistics  # noqa: E402
from recorders import Homeward  # noqa: E402

ROUNDS = int(os.environ.get("ROUNDS", "7"))
RATE = int(os.environ.get("RATE", "4999"))
KIND = os.environ.get("KIND", "cpu")
COLUMNS = ("gap, us", "BPF, us", "own, us", "gap + own", "added, us", "added + own")


def one_round(recorder, alone):
    recorder.start(RATE)
    try:
        pid = recorder.process.process
        cost.work(KIND, False, 0.05)  # its file is new to the recorder
        gap = gaps.gaps(False, 1)[1][50]
        cpu = recorder.cpu_seconds()
        before = Runs(pid)
        seconds = cost.work(KIND, False)
        samples = Runs(pid).samples - before.samples
        own = (recorder.cpu_seconds() - cpu) / samples * 1e6
        statistics = enable_statistics()
        before = Runs(pid)
        cost.work(KIND, False, 0.3)
        bpf = Runs(pid).since(before, 0) / 1000
        os.close(statistics)
        recorder.stop()
    finally:
        recorder.kill()
        recorder.remove()
    added = (seconds - alone) / samples * 1e6
    return gap, bpf, own, gap + own, added, added + own


def main():
    recorders = []
    for build in BUILDS:
        recorder = Homeward(build)
        recorder.binary = os.path.join(build, "src", "cli", "homeward")
        recorders.append(recorder)
    found = {recorder.name: [] for recorder in recorders}
    with Scratch():
        for number in range(ROUNDS):
            progress(f"compare: round {number + 1} of {ROUNDS}")
            alone = cost.work(KIND, False)
            turn = number % len(recorders)
            for recorder in recorders[turn:] + recorders[:turn]:
                found[recorder.name].append(one_round(recorder, alone))
    for name, rounds in found.items():
        print(name)
        for column, values in zip(COLUMNS, zip(*rounds)):
            print(f"    {column:12} {spread(values, 2)}")


if __name__ == "__main__":
    main()
