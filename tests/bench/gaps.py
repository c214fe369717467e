# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""For how long a sample keeps the program from its CPU, beside other recorders.

A program that reads the time stamp counter without end sees each interrupt as a gap. Its length does not depend on how
fast the machine is in that minute, unlike the run time of a piece of work; what is not in it is what cold caches cost
the program afterwards. What the recorder's own process does is told beside it.
"""

import os
import re
import subprocess

from common import Plot, Result, hw, median, progress, spread
from recorders import RECORDERS

ROUNDS = int(os.environ.get("ROUNDS", "3")) + 2
RATE, SECONDS = 4999, 2
CPU = max(os.sched_getaffinity(0))


def gaps(frame_pointers, seconds=SECONDS):
    """How many gaps a second, and their quantiles in µs by percent."""
    program = hw.workload("gaps_fp" if frame_pointers else "gaps")
    done = subprocess.run(["taskset", "-c", str(CPU), program, str(seconds)], check=True, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    quantiles = {int(p): int(ns) / 1000 for p, ns in re.findall(r"p(\d+) (\d+)", done.stdout)}
    return int(re.search(r"gaps (\d+)", done.stdout).group(1)) / seconds, quantiles


def one(recorder):
    """Quantiles of the gaps by percent, gaps a second, and the recorder's own CPU time in µs a sample."""
    try:
        recorder.start(RATE)
        gaps(recorder.frame_pointers, 1)  # its file is new to the recorder
        before = recorder.cpu_seconds()
        rate, quantiles = gaps(recorder.frame_pointers, SECONDS)
        own = (recorder.cpu_seconds() - before) / (SECONDS * RATE) * 1e6
        recorder.stop()
    finally:
        recorder.kill()
        recorder.remove()
    return quantiles, rate, own


def measure():
    recorders = [recorder for recorder in RECORDERS if not recorder.missing()]
    notes = [f"Not measured: {recorder.name}, because {recorder.missing()}." for recorder in RECORDERS
             if recorder.missing()]
    notes.append("Not measured: sysprof, because it samples at 1000 Hz only.")
    found = {recorder.name: [] for recorder in recorders}
    alone = []
    for number in range(ROUNDS):
        progress(f"gaps: round {number + 1} of {ROUNDS}")
        alone.append(gaps(False)[0])
        turn = number % len(recorders)
        for recorder in recorders[turn:] + recorders[:turn]:
            found[recorder.name].append(one(recorder))
    middle = {name: [quantiles[50] for quantiles, _, _ in rounds] for name, rounds in found.items()}
    whole = {name: [quantiles[50] + own for quantiles, _, own in rounds] for name, rounds in found.items()}
    rows = [(name, spread(middle[name]), f"{median([q[20] for q, _, _ in rounds]):.1f}",
             f"{median([q[90] for q, _, _ in rounds]):.1f}", f"{median([rate for _, rate, _ in rounds]):.0f}",
             spread([own for _, _, own in rounds], 2), spread(whole[name]))
            for name, rounds in found.items()]
    notes.append(f"Without a recorder there are {spread(alone, 0)} such gaps a second. A recorder whose rate is far above "
                 f"{RATE} shows that something else sampled, too.")
    return [Result(
        f"Time that a sample takes from the program, {RATE} Hz",
        f"A program 35 frames deep watches the time stamp counter; µs from interrupt to return, {ROUNDS} interleaved "
        "rounds: median of the rounds (least–most).",
        ("recorder", "median gap, µs", "20 % are below", "90 % are below", "gaps a second",
         "recorder's own CPU, µs a sample", "median gap and own CPU"), rows, notes,
        Plot(f"Time that a sample takes from the program, 35 frames, {RATE} Hz", "µs",
             [(name, "gap", median(values), min(values), max(values)) for name, values in middle.items()]),
        {"work": f"watching the clock below 35 frames, {RATE} Hz", "cost": whole})]
