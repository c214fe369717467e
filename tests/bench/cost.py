# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What a sample costs, beside other recorders on the same machine.

A program with a fixed amount of work runs alone and below each recorder in turn, many rounds over, so that a slow
minute of the machine meets all of them; in each round a recorder is compared with the run alone of that round.
"""

import os
import re
import subprocess
import time

from common import Plot, Result, hw, median, progress, reason_of, spread, timed
from recorders import HOMEWARD, RECORDERS, SYSPROF

ROUNDS = int(os.environ.get("ROUNDS", "3"))
CPU = max(os.sched_getaffinity(0))
WORK = {"cpu": 1000, "kernel": 1000000, "processes": 4000, "threads": 1000}
IN_WORDS = {
    "cpu": "computing below 35 frames",
    "kernel": "reading /dev/zero below 35 frames",
    "processes": "4,000 short processes",
    "threads": "64 threads that take turns",
}
# Work, rate, and rounds beyond ROUNDS, for those recorders that are compared at the top.
MATRIX = [("cpu", 4999, 4), ("processes", 4999, 2), ("kernel", 4999, 2), ("threads", 4999, 2), ("cpu", 999, 2),
          ("cpu", 99, 2)]
SHOWN = 0.03  # of the work: each recorder sees so much of it first, for what it does once for a new program
PLOTTED = 4999


def work(kind, frame_pointers, share=1):
    """Seconds that the fixed work, or a share of it, takes on its CPU."""
    program = hw.workload("work_fp" if frame_pointers else "work")
    done = subprocess.run(["taskset", "-c", str(CPU), program, kind, str(round(share * WORK[kind]))], check=True, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return int(re.search(r"elapsed_ns (\d+)", done.stdout).group(1)) / 1e9


class Figures:
    """One recorder at one rate under one kind of work, over all rounds."""

    def __init__(self, recorder):
        self.recorder = recorder
        self.added, self.own, self.rest, self.bytes, self.rss, self.lost, self.complete, self.fold = (
            [], [], [], [], [], 0, [], [])

    def round(self, kind, rate, alone, last, frames):
        recorder = self.recorder
        try:
            self.measure(recorder, kind, rate, alone, last)
            if recorder is HOMEWARD and last:
                frames.append(frames_of_work())
        finally:
            recorder.kill()
            recorder.remove()

    def measure(self, recorder, kind, rate, alone, last):
        recorder.start(rate)
        work(kind, recorder.frame_pointers, SHOWN)
        time.sleep(0.3)
        before = recorder.cpu_seconds()
        seconds = work(kind, recorder.frame_pointers)
        cpu = recorder.cpu_seconds() - before
        whole_cpu, rss = recorder.stop()
        samples, of_work, lost, complete = recorder.counts("work")
        if not of_work:
            raise AssertionError(f"{recorder.name} has no sample of the work")
        of_work /= 1 + SHOWN
        self.added.append((seconds - alone[recorder.frame_pointers]) / of_work * 1e6)
        self.own.append(cpu / of_work * 1e6)
        self.rest.append(whole_cpu - cpu)
        self.bytes.append(recorder.file_bytes() / samples)
        self.rss.append(rss)
        self.lost += lost
        if complete is not None:
            self.complete.append(100 * complete)
        if last and recorder.fold():
            try:
                self.fold.append(timed(recorder.fold())[0] / samples * 1e6)
            except AssertionError as failure:
                progress(f"not folded: {recorder.name}: {reason_of(failure)}")

    def all_in(self):
        return [a + o for a, o in zip(self.added, self.own)]

    def row(self):
        return (self.recorder.name, spread(self.added), spread(self.own), spread(self.all_in()),
                f"{median(self.bytes):.0f}" if any(self.bytes) else "–", f"{max(self.rss):.0f} MB", f"{median(self.rest):.2f} s", self.lost,
                f"{median(self.complete):.2f} %" if self.complete else "–",
                f"{self.fold[0]:.1f}" if self.fold else "–")


def frames_of_work():
    """Frames of homeward's stacks of the work, median."""
    lines = hw.run("export", "--to", "folded", "-i", HOMEWARD.path, timeout=300).stdout.splitlines()
    depths = []
    for line in lines:
        stack, _, count = line.rpartition(" ")
        if stack.startswith("work"):
            depths += [stack.count(";")] * int(count)
    return median(depths)


def one(kind, rate, rounds):
    figures, notes, frames = [], [], []
    recorders = RECORDERS + ([SYSPROF] if rate == 999 else [])
    if rate != 999:
        notes.append("Not measured: sysprof, because it samples at 1000 Hz only.")
    for recorder in recorders:
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
        now = [each for each in figures if number < ROUNDS or each.recorder.compared]
        turn = number % max(len(now), 1)
        for each in now[turn:] + now[:turn]:
            try:
                last = number == (rounds if each.recorder.compared else min(rounds, ROUNDS)) - 1
                each.round(kind, rate, alone, last, frames)
            except Exception as failure:  # its rounds so far are not all: none is told
                figures.remove(each)
                notes.append(f"Not measured: {each.recorder.name}: {reason_of(failure)}.")
    notes.append(f"The work alone takes {spread(alone_seconds, 2)} s. A difference in run time below one percent of "
                 f"that, {10000 / rate:.1f} µs a sample at this rate, is noise."
                 + (f" homeward's stacks of the work have {median(frames):.0f} frames (median)." if frames else ""))
    return Result(
        f"Cost of a sample: {IN_WORDS[kind]}, {rate} Hz",
        f"The whole machine is sampled; the program runs on one CPU; each recorder has seen it before. {rounds} interleaved "
        f"rounds, {min(rounds, ROUNDS)} of recorders that are not compared above; median (least–most).",
        ("recorder", "run time added, µs a sample", "recorder's own CPU, µs a sample", "both together",
         "file bytes a sample", "peak RSS", "CPU to start and end", "lost", "complete", "folding (perf: perf script), µs a sample"),
        [each.row() for each in figures], notes,
        Plot(f"{IN_WORDS[kind]}, {rate} Hz", "µs a sample, recorder's CPU included",
             [(each.recorder.name, "both", median(each.all_in()), min(each.all_in()), max(each.all_in()))
              for each in figures]) if rate == PLOTTED else None,
        {"work": f"{IN_WORDS[kind]}, {rate} Hz",
         "cost": {each.recorder.name: each.all_in() for each in figures}})


def measure():
    """Measured one by one, and told as soon as each is done."""
    wanted = os.environ.get("COST", "")
    for kind, rate, more in MATRIX:
        if not wanted or f"{kind}:{rate}" in wanted.split(","):
            yield one(kind, rate, max(ROUNDS + more, 1))
