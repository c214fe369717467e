# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How cost grows: with the number of threads, and with the number of files mapped as code."""

import os
import shutil
import signal
import sys
import time

from common import Measured, Result, hw, progress, spread
from frames import enable_statistics, runs

ROUNDS = int(os.environ.get("ROUNDS", "5"))
THREADS = (2, 16, 128, 1024)
FILES = (0, 100, 1000, 4000)
MAP_THEM = """
import mmap, os, sys, time
keep = []
for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), "rb") as file:
        keep.append(mmap.mmap(file.fileno(), 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC))
print("mapped", flush=True)
time.sleep(600)
"""


def us_a_sample(threads, *options):
    # The threads leave the CPU to whoever else wants it, or the recorder would wait for its turn behind them all.
    with hw.Background(["chrt", "--idle", "0", hw.workload("deep"), 30, threads, 60]) as process:
        with hw.Background([hw.HOMEWARD, "record", "-q", "-F", 4999, "-o", "test.data", "-p", process.pid,
                            *options]) as recorder:
            hw.until(lambda: runs(recorder)[1] > 1500, 20)
            before = runs(recorder)
            time.sleep(1)
            after = runs(recorder)
            recorder.send_signal(signal.SIGINT)
            recorder.wait()
    return (after[0] - before[0]) / max(after[1] - before[1], 1) / 1000


def by_threads():
    descriptor = enable_statistics()
    times = {threads: [] for threads in THREADS}
    asks = {threads: [] for threads in THREADS}
    for number in range(ROUNDS):
        progress(f"growth: threads, round {number + 1} of {ROUNDS}")
        for threads in THREADS:
            times[threads].append(us_a_sample(threads))
            asks[threads].append(us_a_sample(threads, "--walk", "deferred"))
    os.close(descriptor)
    return Result("With the number of threads",
                  "Threads that compute below 35 frames, 4999 Hz: time of the BPF program on each sample, where it walks "
                  "at once and where it only asks (the walk itself, on the way home, is not in the latter).",
                  ("threads", "µs a sample, walking at once", "µs a sample, asking only"),
                  [(f"{threads:,}", spread(times[threads], 2), spread(asks[threads], 2)) for threads in THREADS])


def start_with_files(directory):
    """Seconds to the first sample and peak RSS in MB of a recorder that has no cache."""
    begun = time.monotonic()
    recorder = Measured([hw.HOMEWARD, "record", "-q", "-a", "-F", 999, "--no-cache", "-o", "test.data"])
    hw.until(lambda: os.path.exists("test.data") and os.path.getsize("test.data") > 65536, 120)
    seconds = time.monotonic() - begun
    _, rss = recorder.end(signal.SIGINT)
    os.remove("test.data")
    return seconds, rss


def by_files():
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
                figures = [start_with_files(directory) for _ in range(3)]
        shutil.rmtree(directory)
        rows.append((f"{count:,}", spread([seconds for seconds, _ in figures], 2), spread([rss for _, rss in figures], 0)))
    return Result("With the number of files mapped as code",
                  "A process maps that many copies of libm besides what runs anyway; each is compiled anew "
                  "(--no-cache). 3 rounds.", ("files", "seconds to the first sample", "recorder's peak RSS, MB"), rows)


def measure():
    return [by_threads(), by_files()]
