# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What a walk costs in the kernel, by its depth: the kernel's own statistics of the BPF program that walks at once.

The time of a run grows by a fixed amount a frame; a straight line through the medians tells that amount (its slope)
and what a sample costs besides (its value at no frames).
"""

import ctypes
import os
import signal
import time

from common import Result, hw, median, progress, spread

DEPTHS = (10, 35, 70, 140, 280, 480)
PERF_EVENT_PROGRAM = 7  # BPF_PROG_TYPE_PERF_EVENT, linux/bpf.h
ROUNDS = int(os.environ.get("ROUNDS", "5"))


def enable_statistics():
    """A file descriptor: the kernel keeps BPF run times as long as it is open."""
    library = ctypes.CDLL("libbpf.so.1", use_errno=True)
    descriptor = library.bpf_enable_stats(0)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), "bpf_enable_stats")
    return descriptor


def runs(recorder):
    """Run time in ns and number of runs of a recorder's sampling program, from what the kernel says of its files."""
    time_ns = count = 0
    directory = f"/proc/{recorder.pid}/fdinfo"
    for name in os.listdir(directory):
        try:
            with open(os.path.join(directory, name), encoding="ascii") as file:
                info = dict(line.split(":", 1) for line in file if ":" in line)
        except OSError:
            continue  # closed meanwhile
        if int(info.get("prog_type", -1)) == PERF_EVENT_PROGRAM:
            time_ns += int(info["run_time_ns"])
            count += int(info["run_cnt"])
    return time_ns, count


def ns_a_run(depth):
    with hw.Background([hw.workload("deep"), depth, os.cpu_count(), 30]) as process:
        with hw.Background([hw.HOMEWARD, "record", "-q", "-F", 4999, "-o", "frames.data", "-p", process.pid]) as recorder:
            hw.until(lambda: runs(recorder)[1] > 1500, 20)
            before = runs(recorder)
            time.sleep(1)
            after = runs(recorder)
            recorder.send_signal(signal.SIGINT)
            recorder.wait()
    return (after[0] - before[0]) / max(after[1] - before[1], 1), frames_seen()


def frames_seen():
    text = hw.run("script", "-F", "comm,ip", "-i", "frames.data").stdout
    counts = [block.count("\n") for block in text.strip().split("\n\n")]
    return median(counts)


def line_through(points):
    n, sx, sy = len(points), sum(x for x, _ in points), sum(y for _, y in points)
    sxx, sxy = sum(x * x for x, _ in points), sum(x * y for x, y in points)
    slope = (n * sxy - sx * sy) / (n * sxx - sx * sx)
    return slope, (sy - slope * sx) / n


def measure():
    descriptor = enable_statistics()
    times = {depth: [] for depth in DEPTHS}
    frames = {}
    for number in range(ROUNDS):
        progress(f"frames: round {number + 1} of {ROUNDS}")
        for depth in DEPTHS:
            ns, frames[depth] = ns_a_run(depth)
            times[depth].append(ns / 1000)
    os.close(descriptor)
    slopes = [line_through([(frames[d], times[d][i] * 1000) for d in DEPTHS])[0] for i in range(ROUNDS)]
    fixed = [line_through([(frames[d], times[d][i] * 1000) for d in DEPTHS])[1] for i in range(ROUNDS)]
    return [Result(
        "A walk by its depth",
        "A thread a CPU, without frame pointers, sampled at 4999 Hz: time of the BPF program on each sample (as the kernel "
        "counts it), which walks at once.",
        ("functions in the chain", "frames, median", "µs a sample"),
        [(depth, f"{frames[depth]:.0f}", spread(times[depth], 2)) for depth in DEPTHS],
        [f"**{spread(slopes, 0)} ns a frame**, and {spread(fixed, 0)} ns for all else that the program does for a "
         "sample: time of the slope and of the start of the line through each round's points."])]
