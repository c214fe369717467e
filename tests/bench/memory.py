# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How much memory a recorder takes that holds tables of 600,000 rows and more."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

from common import Measured, Result, hw, progress, spread
from growth import MAP_THEM
from maps import kernel_memory
from tables import DUMP, files

ROUNDS = int(os.environ.get("ROUNDS", "3"))
ROWS = 600000


def rows_of(path):
    done = subprocess.run([DUMP, "-s", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    found = re.search(r": (\d+) rows", done.stdout)
    return int(found.group(1)) if found else 0


def link_files(directory):
    """Links to files with so many rows together; how many rows that is."""
    total = 0
    for path in sorted(files(), key=os.path.getsize):
        if total < ROWS:
            os.symlink(path, os.path.join(directory, os.path.basename(path)))
            total += rows_of(path)
    return total


def mapped_tables(pid):
    """MB of BPF maps that the recorder has mapped: nearly all of it tables."""
    total = 0
    with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
        for line in maps:
            if "bpf-map" in line:
                start, _, end = line.split()[0].partition("-")
                total += int(end, 16) - int(start, 16)
    return total / 1e6


def record(*options):
    """Peak RSS in MB, MB of tables mapped, and the kernel memory of its other maps by type."""
    recorder = Measured([hw.HOMEWARD, "record", "-q", "-a", "-F", 999, "-o", "test.data", *options])
    try:
        hw.until(lambda: os.path.exists("test.data") and os.path.getsize("test.data") > 65536, 60)
        time.sleep(2)
        kernel, tables = kernel_memory(recorder.process.pid), mapped_tables(recorder.process.pid)
        _, rss = recorder.end(signal.SIGINT)
    finally:
        recorder.kill()
    os.remove("test.data")
    return rss, tables, kernel


def measure():
    directory = os.path.abspath("mapped")
    os.mkdir(directory)
    rows = link_files(directory)
    notes = [] if rows >= ROWS else [f"Not measured: {ROWS:,} rows; the files here have only {rows:,}."]
    figures, kernel = {"compiled anew (--no-cache)": [], "from the cache on disk": []}, {}
    with hw.Background([hw.workload("deep"), 30, os.cpu_count(), 300]):
        with hw.Background([sys.executable, "-c", MAP_THEM, directory], stdout=-1) as process:
            process.stdout.readline()
            for number in range(ROUNDS):
                progress(f"memory: round {number + 1} of {ROUNDS}")
                for (name, rounds), options in zip(figures.items(), (["--no-cache"], [])):
                    rss, tables, kernel = record(*options)
                    rounds.append((rss, tables))
    shutil.rmtree(directory)
    notes.append("Kernel memory of its other BPF maps, as the kernel counts it: "
                 + ", ".join(f"{kind} {size / 1e6:.0f} MB" for kind, size in sorted(kernel.items(), key=lambda p: -p[1]))
                 + f", {sum(kernel.values()) / 1e6:.0f} MB in all.")
    return [Result("Memory of a recorder", f"The whole machine, with a process that maps files whose tables have {rows:,} "
                   f"rows together, besides what runs anyway; 999 Hz. {ROUNDS} rounds; median (least–most).",
                   ("tables", "recorder's peak RSS, MB", "of that tables and others mapped from BPF, at most, MB"),
                   [(name, spread([rss for rss, _ in rounds], 0), spread([tables for _, tables in rounds], 0))
                    for name, rounds in figures.items()], notes)]
