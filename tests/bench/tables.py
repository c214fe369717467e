# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How long it takes to compile the unwind table of a file, and how large the table is."""

import glob
import os
import re
import shutil
import subprocess

from common import Result, hw, progress, spread

ROUNDS = int(os.environ.get("ROUNDS", "3"))
DUMP = os.path.join(hw.BUILD, "tests", "walk", "table_dump")
BLOCK = 4096


def files():
    found = [os.path.realpath(path) for path in (
        "/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/bin/python3", "/usr/bin/perl",
        shutil.which("node") or "", shutil.which("chromium") and "/usr/lib/chromium/chromium" or "")
             if path and os.path.exists(path)]
    return found + sorted(glob.glob("/usr/lib/x86_64-linux-gnu/libLLVM*.so.1"))[:1] + sorted(
        glob.glob("/usr/lib/gcc/x86_64-linux-gnu/*/cc1plus"))[-1:]


def measure():
    rows, notes = [], []
    for path in files():
        progress(f"tables: {path}")
        times, found = [], None
        for _ in range(ROUNDS):
            done = subprocess.run([DUMP, "-s", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  check=False)
            found = re.search(r": (\d+) rows, (\d+) rules, ([\d.]+) ms", done.stdout)
            if not found:
                notes.append(f"Not measured: {path}: {done.stderr.strip()}")
                break
            times.append(float(found.group(3)))
        if not found:
            continue
        row_count, rule_count = int(found.group(1)), int(found.group(2))
        blocks = -(-row_count // 512) + -(-rule_count // 512)
        rows.append((os.path.basename(path), f"{os.path.getsize(path) / 1e6:.1f} MB", f"{row_count:,}",
                     f"{rule_count:,}", f"{blocks * BLOCK / 1e6:.2f} MB", spread(times, 1)))
    return [Result("Unwind tables", f"Compiled by libdw, {ROUNDS} times each.",
                   ("file", "its size", "rows", "rules", "table", "ms to compile"), rows, notes)]
