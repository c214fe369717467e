# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How long it takes from the start of homeward record to its first sample."""

import os
import re
import signal
import subprocess
import time

from common import Result, hw, progress, spread

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SPINNING = "deep"


def first_sample(*options):
    """Seconds from the start of the recorder to the time of the first sample in its file."""
    begun = time.clock_gettime(time.CLOCK_MONOTONIC)
    process = subprocess.Popen([hw.HOMEWARD, "record", "-a", "-F", "999", "-q", "-o", "test.data", *options],
                               stdin=subprocess.DEVNULL)
    hw.until(lambda: os.path.exists("test.data") and os.path.getsize("test.data") > 65536, 60)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 0, process.returncode
    text = hw.run("script", "-F", "time", "-i", "test.data").stdout
    os.remove("test.data")
    return float(re.search(r"(\d+\.\d+):", text).group(1)) - begun


def mapped_files():
    files = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
                files.update(line.split(None, 5)[5].strip() for line in maps if " r-xp " in line and "/" in line)
        except OSError:
            pass  # it has ended
    return len(files)


def measure():
    with hw.Background([hw.workload(SPINNING), 30, 1, 300]):
        time.sleep(0.3)
        first_sample()  # fills the cache
        cold, warm = [], []
        for number in range(ROUNDS):
            progress(f"start: round {number + 1} of {ROUNDS}")
            cold.append(first_sample("--no-cache"))
            warm.append(first_sample())
        files = mapped_files()
    processes = sum(name.isdigit() for name in os.listdir("/proc"))
    return [Result("Start to first sample",
                   f"The whole machine, one CPU busy, {processes} processes with {files} different files mapped as "
                   f"code; {ROUNDS} interleaved rounds; median (least–most).",
                   ("tables", "seconds"), [("compiled anew (--no-cache)", spread(cold, 2)),
                                           ("from the cache on disk", spread(warm, 2))])]
