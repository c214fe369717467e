#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What sampling costs, beside perf record on the same machine.

A CPU-bound program with a fixed amount of work and a 35 frames deep stack runs alone and below each
recorder in turn, many rounds over, so that a slow minute of the machine meets all of them. Each recorder
samples the whole machine at the same rate. perf's frame-pointer mode gets the build with frame pointers, as it
could not walk the other. The figure is run time added per sample of that program.
"""

import os
import re
import shutil
import signal
import subprocess
import time

from common import Measured, hw, in_scratch, median, table, timed

ROUNDS = int(os.environ.get("ROUNDS", "9"))
RATE = int(os.environ.get("RATE", "4999"))
LOOPS = int(os.environ.get("LOOPS", "1500"))
CPU = max(os.sched_getaffinity(0))

HOMEWARD = [hw.HOMEWARD, "record", "-a", "-F", RATE, "-q"]
PERF = ["perf", "record", "-q", "-a", "-e", "cpu-clock", "-F", RATE]

# name: (program, recorder's command without its output file)
MODES = {
    "alone": ("spin", None),
    "alone, frame pointers": ("spin_fp", None),
    "homeward": ("spin", HOMEWARD),
    "homeward --walk deferred": ("spin", [*HOMEWARD, "--walk", "deferred"]),
    "perf -g (frame pointers)": ("spin_fp", [*PERF, "-g"]),
    "perf --call-graph dwarf": ("spin", [*PERF, "--call-graph", "dwarf,8192"]),
}


def spin(program):
    """Seconds that the fixed work takes on its CPU."""
    done = subprocess.run(["taskset", "-c", str(CPU), hw.workload(program), str(LOOPS)], check=True, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return int(re.search(r"elapsed_ns (\d+)", done.stdout).group(1)) / 1e9


def all_and_spins(path, is_homeward):
    """The number of all samples in a recording, and of those of spin."""
    command = [hw.HOMEWARD, "script", "-F", "comm"] if is_homeward else ["perf", "script", "-F", "comm"]
    text = subprocess.run([*command, "-i", path], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout.decode(errors="replace")
    names = [line.strip() for line in text.splitlines() if line.strip()]
    return len(names), sum(name.startswith("spin") for name in names)


def fold_seconds(path, is_homeward):
    if is_homeward:
        return timed(lambda: hw.run("export", "--to", "folded", "-i", path, timeout=600, stdout=subprocess.DEVNULL))
    return timed(lambda: subprocess.run(["perf", "script", "-i", path], check=True, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))


class Mode:
    """One recorder, over all rounds."""

    def __init__(self, name, program, recorder):
        self.name, self.program, self.recorder = name, program, recorder
        self.seconds, self.spins, self.bytes_each, self.cpu_each, self.rss, self.fold_each = [], [], [], [], [], []

    def is_homeward(self):
        return self.name.startswith("homeward")

    def round(self, last):
        if not self.recorder:
            self.seconds.append(spin(self.program))
            return
        path = "cost.data"
        recorder = Measured([*self.recorder, "-o", path])
        # Not before it samples: what a recorder does at its start is not what is measured.
        hw.until(lambda: os.path.exists(path) and os.path.getsize(path) > 65536, 30)
        time.sleep(0.3)
        self.seconds.append(spin(self.program))
        cpu_seconds, rss = recorder.end(signal.SIGINT)
        samples, spins = all_and_spins(path, self.is_homeward())
        self.spins.append(spins)
        self.bytes_each.append(os.path.getsize(path) / samples)
        self.cpu_each.append(cpu_seconds / samples)
        self.rss.append(rss)
        if last:
            self.fold_each.append(fold_seconds(path, self.is_homeward()) / samples)
        os.remove(path)


def row(mode, alone):
    base = alone[mode.program]
    added = [(seconds - base) / count * 1e6 for seconds, count in zip(mode.seconds, mode.spins)]
    return (mode.name, f"{median(added):.1f} µs", f"{min(added):.1f}–{max(added):.1f}", f"{median(mode.bytes_each):.0f}",
            f"{median(mode.cpu_each) * 1e6:.1f} µs", f"{max(mode.rss):.0f} MB", f"{median(mode.fold_each) * 1e6:.1f} µs")


def measure():
    modes = [Mode(name, *how) for name, how in MODES.items() if not how[1] or shutil.which(str(how[1][0]))]
    for number in range(ROUNDS):
        for mode in modes:
            mode.round(last=number == ROUNDS - 1)
    alone = {mode.program: median(mode.seconds) for mode in modes if not mode.recorder}
    print(f"### Cost: {RATE} Hz, whole machine, {ROUNDS} interleaved rounds, medians\n")
    table(("recorder", "run time added a sample", "range", "file bytes a sample", "recorder's CPU a sample",
           "its peak RSS", "folded stacks (perf: perf script), a sample"),
          [row(mode, alone) for mode in modes if mode.recorder])
    print("\nThe work alone takes " + " and ".join(f"{seconds:.2f} s ({name})" for name, seconds in alone.items()) + ".")


if __name__ == "__main__":
    in_scratch(measure)
