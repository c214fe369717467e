#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How long it takes from the start of homeward record to its first sample."""

import os
import signal
import subprocess
import time

from common import hw, in_scratch, median, table

ROUNDS = 5
EVENT_LINE = b"sampling"


def start_once(*options):
    """Seconds until homeward says that it samples."""
    begun = time.monotonic()
    process = subprocess.Popen([hw.HOMEWARD, "record", "-a", "-F", "999", "-o", "test.data", *options],
                               stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for line in process.stderr:
        if EVENT_LINE in line:
            break
    taken = time.monotonic() - begun
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 0, process.returncode
    return taken


def measure():
    cold = [start_once("--no-cache") for _ in range(ROUNDS)]
    start_once()  # fills the cache
    warm = [start_once() for _ in range(ROUNDS)]
    processes = sum(name.isdigit() for name in os.listdir("/proc"))
    print(f"### Start to sampling: the whole machine, {processes} processes, {ROUNDS} rounds\n")
    table(("cache of tables", "median s", "longest s"),
          [("none (--no-cache)", f"{median(cold):.2f}", f"{max(cold):.2f}"), ("warm", f"{median(warm):.2f}", f"{max(warm):.2f}")])


if __name__ == "__main__":
    in_scratch(measure)
