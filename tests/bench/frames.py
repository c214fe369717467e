# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What a walk costs in the kernel, by its depth: the kernel's own statistics of the BPF program that walks at once.

The time of a run grows by a fixed amount a frame; a straight line through the medians tells that amount (its slope)
and what a sample costs besides (its value at no frames). Cold is measured by emptying the cache of rows again and
again from another CPU, so that each frame's rule has to be searched in its table.
"""

import os
import signal
import time

from common import Result, hw, median, progress, spread
from maps import Map, Runs, enable_statistics, runs, second_of

DEPTHS = (10, 35, 140, 480)
COLD_DEPTHS = (10, 140)
COLD_RATE = 25
ROUNDS = int(os.environ.get("ROUNDS", "3"))
CPU, OTHER_CPU = max(os.sched_getaffinity(0)), min(os.sched_getaffinity(0))


def recorder_of(pid, rate):
    return hw.Background([hw.HOMEWARD, "record", "-q", "-F", rate, "-o", "frames.data", "-p", pid])


def warm(depth, unwanted_ns):
    """ns a sample, and the frames of the stacks."""
    with hw.Background([hw.workload("deep"), depth, os.cpu_count(), 90]) as process:
        with recorder_of(process.pid, 4999) as recorder:
            ns = second_of(recorder, unwanted_ns)
    return ns, frames_seen()


def cold(depth, unwanted_ns):
    """The same with an empty cache of rows."""
    with hw.Background(["taskset", "-c", CPU, hw.workload("deep"), depth, 1, 90]) as process:
        with recorder_of(process.pid, COLD_RATE) as recorder:
            hw.until(lambda: runs(recorder)[1] > 5, 60)
            rows = Map(recorder.pid, "row_cache")
            wipe, usual = rows.wiper(), os.sched_getaffinity(0)
            os.sched_setaffinity(0, {OTHER_CPU})
            wipe()
            before, end = Runs(recorder), time.monotonic() + 3
            while time.monotonic() < end:
                wipe()
            ns = Runs(recorder).since(before, unwanted_ns)
            os.sched_setaffinity(0, usual)
            rows.close()
            recorder.send_signal(signal.SIGINT)
            recorder.wait()
    return ns, frames_seen()


def unwanted():
    """ns a run for a hit of a process that nobody asked for."""
    with hw.Background(["sleep", 60]) as sleeping, hw.Background([hw.workload("deep"), 30, os.cpu_count(), 30]):
        with recorder_of(sleeping.pid, 4999) as recorder:
            hw.until(lambda: runs(recorder)[1] > 1500, 60)
            before = runs(recorder)
            time.sleep(1)
            after = runs(recorder)
            recorder.send_signal(signal.SIGINT)
            recorder.wait()
    return (after[0] - before[0]) / max(after[1] - before[1], 1)


def frames_seen():
    text = hw.run("script", "-F", "comm,ip", "-i", "frames.data").stdout
    return median([block.count("\n") for block in text.strip().split("\n\n")])


def line_through(points):
    n, sx, sy = len(points), sum(x for x, _ in points), sum(y for _, y in points)
    sxx, sxy = sum(x * x for x, _ in points), sum(x * y for x, y in points)
    slope = (n * sxy - sx * sy) / (n * sxx - sx * sx)
    return slope, (sy - slope * sx) / n


def line_of_round(figures, number):
    """figures: by depth, (ns a run, frames) of each round."""
    return line_through([(rounds[number][1], rounds[number][0]) for rounds in figures.values()])


def measure():
    descriptor = enable_statistics()
    warm_figures, cold_figures, unwanted_ns = {d: [] for d in DEPTHS}, {d: [] for d in COLD_DEPTHS}, []
    try:
        for number in range(ROUNDS):
            progress(f"frames: round {number + 1} of {ROUNDS}")
            unwanted_ns.append(unwanted())
            for depth in DEPTHS:
                warm_figures[depth].append(warm(depth, unwanted_ns[-1]))
            for depth in COLD_DEPTHS:
                cold_figures[depth].append(cold(depth, unwanted_ns[-1]))
    finally:
        os.close(descriptor)
    lines = [line_of_round(warm_figures, number) for number in range(ROUNDS)]
    cold_lines = [line_of_round(cold_figures, number) for number in range(ROUNDS)]
    slopes, fixed = [slope for slope, _ in lines], [start for _, start in lines]
    cold_slopes = [slope for slope, _ in cold_lines]
    depths = Result(
        "A walk by its depth",
        "A thread a CPU, without frame pointers, sampled at 4999 Hz: time of the BPF program on each sample (as the kernel "
        f"counts it), which walks at once. {ROUNDS} rounds; median (least–most).",
        ("functions in the chain", "frames, median", "µs a sample"),
        [(depth, f"{median([frames for _, frames in rounds]):.0f}", spread([ns / 1000 for ns, _ in rounds], 2))
         for depth, rounds in warm_figures.items()])
    parts = Result(
        "Parts of a sample's time in BPF",
        "From lines through each round's points above, and through those of stacks that were walked with an empty cache of "
        f"rows ({COLD_RATE} Hz, the cache emptied all the time from another CPU, which also cools the CPU's own caches). "
        "The kernel's statistics themselves are in each figure of a whole run.",
        ("part", "ns"),
        [("a hit that nobody asked for: entry, filter", spread(unwanted_ns, 0)),
         ("a sample without its frames: also registers, cookie, both records, the ring", spread(fixed, 0)),
         ("each frame, warm: mapping and row from caches, step, stack word", spread(slopes, 0)),
         ("each frame, cold", spread(cold_slopes, 0)),
         ("of that: the search in the table, and cold memory",
          spread([c - w for c, w in zip(cold_slopes, slopes)], 0))])
    return [depths, parts]
