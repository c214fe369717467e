# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What a sample costs, beside other recorders on the same machine.

A program with a fixed amount of work runs alone and below each recorder in turn, many rounds over, so that a slow
minute of the machine meets all of them; in each round a recorder is compared with the run alone of that round.
"""

import os
import re
import subprocess

from common import Plot, Result, hw, median, progress, spread, timed
from recorders import RECORDERS

ROUNDS = int(os.environ.get("ROUNDS", "5"))
CPU = max(os.sched_getaffinity(0))
WORK = {"cpu": 1500, "kernel": 1500000, "processes": 4000, "threads": 1500}
IN_WORDS = {
    "cpu": "computing below 35 frames",
    "kernel": "reading /dev/zero below 35 frames",
    "processes": "4,000 short processes",
    "threads": "64 threads that take turns",
}
MATRIX = [("cpu", 4999), ("cpu", 999), ("cpu", 99), ("kernel", 4999), ("processes", 4999), ("threads", 4999)]


def work(kind, frame_pointers):
    """Seconds that the fixed work takes on its CPU."""
    program = hw.workload("work_fp" if frame_pointers else "work")
    done = subprocess.run(["taskset", "-c", str(CPU), program, kind, str(WORK[kind])], check=True, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return int(re.search(r"elapsed_ns (\d+)", done.stdout).group(1)) / 1e9


class Figures:
    """One recorder at one rate under one kind of work, over all rounds."""

    def __init__(self, recorder):
        self.recorder = recorder
        self.added, self.own, self.rest, self.bytes, self.rss, self.lost, self.complete, self.fold = (
            [], [], [], [], [], 0, [], [])

    def round(self, kind, rate, alone, last):
        recorder = self.recorder
        try:
            self.measure(recorder, kind, rate, alone, last)
        finally:
            recorder.kill()

    def measure(self, recorder, kind, rate, alone, last):
        recorder.start(rate)
        before = recorder.cpu_seconds()
        seconds = work(kind, recorder.frame_pointers)
        cpu = recorder.cpu_seconds() - before
        whole_cpu, rss = recorder.stop()
        samples, of_work, lost, complete = recorder.counts("work")
        if not of_work:
            raise AssertionError(f"{recorder.name} has no sample of the work")
        self.added.append((seconds - alone[recorder.frame_pointers]) / of_work * 1e6)
        self.own.append(cpu / of_work * 1e6)
        self.rest.append(whole_cpu - cpu)
        self.bytes.append(recorder.file_bytes() / samples)
        self.rss.append(rss)
        self.lost += lost
        if complete is not None:
            self.complete.append(100 * complete)
        if last and recorder.fold():
            self.fold.append(timed(recorder.fold())[0] / samples * 1e6)
        recorder.remove()

    def all_in(self):
        return [a + o for a, o in zip(self.added, self.own)]

    def row(self):
        return (self.recorder.name, spread(self.added), spread(self.own), spread(self.all_in()),
                f"{median(self.bytes):.0f}" if any(self.bytes) else "–", f"{max(self.rss):.0f} MB", f"{median(self.rest):.2f} s", self.lost,
                f"{median(self.complete):.2f} %" if self.complete else "–",
                f"{self.fold[0]:.1f}" if self.fold else "–")


def one(kind, rate, rounds):
    figures, notes = [], []
    for recorder in RECORDERS:
        missing = recorder.missing()
        if missing:
            notes.append(f"Not measured: {recorder.name}, because {missing}.")
        else:
            figures.append(Figures(recorder))
    alone_seconds = []
    for number in range(rounds):
        progress(f"cost: {kind} at {rate} Hz, round {number + 1} of {rounds}")
        alone = {frame_pointers: work(kind, frame_pointers) for frame_pointers in (False, True)}
        alone_seconds.append(alone[False])
        # Each round begins with another recorder.
        turn = number % len(figures)
        for each in figures[turn:] + figures[:turn]:
            each.round(kind, rate, alone, last=number == rounds - 1)
    notes.append(f"The work alone takes {spread(alone_seconds, 2)} s. A difference in run time below one percent of "
                 f"that, {10000 * median(alone_seconds) / (rate * median(alone_seconds)):.1f} µs a sample at this "
                 "rate, is noise.")
    return Result(
        f"Cost of a sample: {IN_WORDS[kind]}, {rate} Hz",
        f"The whole machine is sampled; the program runs on one CPU. {rounds} interleaved rounds; median (least–most).",
        ("recorder", "run time added, µs a sample", "recorder's own CPU, µs a sample", "both together",
         "file bytes a sample", "peak RSS", "CPU to start and end", "lost", "complete", "folding (perf: perf script), µs a sample"),
        [each.row() for each in figures], notes,
        Plot(f"{IN_WORDS[kind]}, {rate} Hz", "µs a sample, recorder's CPU included",
             [(each.recorder.name, "both", median(each.all_in()), min(each.all_in()), max(each.all_in()))
              for each in figures]))


def measure():
    wanted = os.environ.get("COST", "")
    return [one(kind, rate, ROUNDS) for kind, rate in MATRIX if not wanted or f"{kind}:{rate}" in wanted.split(",")]
