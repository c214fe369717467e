# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How cost grows: with threads, with files mapped as code, with CPUs and sessions."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

from common import Measured, Result, each, hw, progress, spread
from frames import unwanted
from maps import enable_statistics, second_of

ROUNDS = int(os.environ.get("ROUNDS", "3"))
THREADS = (2, 64, 1024)
FILES = (0, 250, 1000)
FILE_ROUNDS = min(ROUNDS, 2)  # a thousand take long to compile
CPUS, SESSIONS = (2, 64, 1024, 4096), (1, 8, 64)
DISPATCH = os.path.join(hw.BUILD, "tests", "bench", "dispatch")
MAP_THEM = """
import mmap, os, sys, time
keep = []
for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), "rb") as file:
        keep.append(mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC))
print("mapped", flush=True)
time.sleep(600)
"""


def us_a_sample(threads, unwanted_ns, *options):
    # The threads leave the CPU to whoever else wants it, or the recorder would wait for its turn behind them all.
    with hw.Background(["chrt", "--idle", "0", hw.workload("deep"), 30, threads, 60]) as process:
        with hw.Background([hw.HOMEWARD, "record", "-q", "-F", 4999, "-o", "test.data", "-p", process.pid,
                            *options]) as recorder:
            return second_of(recorder, unwanted_ns) / 1000


def by_threads():
    """With the number of threads"""
    descriptor = enable_statistics()
    times = {threads: [] for threads in THREADS}
    asks = {threads: [] for threads in THREADS}
    for number in range(ROUNDS):
        progress(f"growth: threads, round {number + 1} of {ROUNDS}")
        unwanted_ns = unwanted()
        for threads in THREADS:
            times[threads].append(us_a_sample(threads, unwanted_ns))
            asks[threads].append(us_a_sample(threads, unwanted_ns, "--walk", "deferred"))
    os.close(descriptor)
    return Result("With the number of threads",
                  "Threads that compute below 35 frames, 4999 Hz: time of the BPF program on each sample, where it walks "
                  "at once and where it only asks (the walk itself, on the way home, is not in the latter).",
                  ("threads", "µs a sample, walking at once", "µs a sample, asking only"),
                  [(f"{threads:,}", spread(times[threads], 2), spread(asks[threads], 2)) for threads in THREADS])


def start_with_files():
    """Seconds until a recorder that has no cache samples, and its peak RSS in MB."""
    begun = time.monotonic()
    recorder = Measured([hw.HOMEWARD, "record", "-a", "-F", 999, "--no-cache", "-o", "test.data"])
    try:
        hw.until(lambda: recorder.process.poll() is not None or "sampling" in recorder.said(), 120)
        seconds = time.monotonic() - begun
        _, rss = recorder.end(signal.SIGINT)
    finally:
        recorder.kill()
    os.remove("test.data")
    return seconds, rss


def by_files():
    """With the number of files mapped as code"""
    library = os.path.realpath("/lib/x86_64-linux-gnu/libm.so.6")
    rows = []
    for count in FILES:
        progress(f"growth: {count} files")
        directory = os.path.abspath(f"files{count}")
        os.mkdir(directory)
        for number in range(count):
            shutil.copy(library, os.path.join(directory, f"lib{number}.so"))
        with hw.Background([hw.workload("deep"), 30, os.cpu_count(), 300]):
            with hw.Background([sys.executable, "-c", MAP_THEM, directory], stdout=-1) as process:
                process.stdout.readline()
                figures = [start_with_files() for _ in range(FILE_ROUNDS)]
        shutil.rmtree(directory)
        rows.append((f"{count:,}", spread([seconds for seconds, _ in figures], 2), spread([rss for _, rss in figures], 0)))
    return Result("With the number of files mapped as code",
                  "A process maps that many copies of libm besides what runs anyway; each is compiled anew "
                  f"(--no-cache). {FILE_ROUNDS} rounds.", ("files", "seconds until it samples", "recorder's peak RSS, MB"), rows)


def dispatch(cpus, sessions):
    """ns a record, and bytes an event."""
    done = subprocess.run([DISPATCH, str(cpus), str(sessions)], check=True, stdout=subprocess.PIPE, text=True)
    return tuple(map(float, re.search(r"([\d.]+) ns a record, (\d+) bytes", done.stdout).groups()))


def by_cpus():
    """With CPUs and sessions, simulated"""
    figures = {cpus: {sessions: [] for sessions in SESSIONS} for cpus in CPUS}
    for number in range(ROUNDS):
        progress(f"growth: CPUs and sessions, round {number + 1} of {ROUNDS}")
        for cpus in CPUS:
            for sessions in SESSIONS:
                figures[cpus][sessions].append(dispatch(cpus, sessions))
    rows = [(f"{cpus:,}", *(spread([ns for ns, _ in rounds], 0) for rounds in by.values()),
             f"{by[SESSIONS[-1]][-1][1]:.0f}") for cpus, by in figures.items()]
    return Result("With CPUs and sessions, simulated",
                  "The daemon's dispatch alone, on CPU ids that are made up: each session has an event on every CPU, "
                  "records for all sessions arrive on one CPU after the other. ns a record, all its deliveries in it. "
                  f"{ROUNDS} rounds; median (least–most).",
                  ("CPUs", *(f"{count} session{'s' if count > 1 else ''}" for count in SESSIONS),
                   f"bytes an event, {SESSIONS[-1]} sessions"), rows)


def measure():
    return each(by_threads, by_files, by_cpus)
