#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Run measurements and print them as Markdown.

    run.py [--write] [MEASUREMENT...]      all, or: completeness sharing start frames tables growth gaps read clients cost

With --write, docs/performance.md and its plot docs/performance.svg are made anew from what was measured in this run,
and from nothing else. What could not be measured is named with the reason.
"""

import datetime
import importlib
import os
import platform
import subprocess
import sys
import traceback

from common import Result, Scratch, hw, progress
from plot import draw

ALL = ("completeness", "sharing", "start", "frames", "tables", "growth", "gaps", "read", "clients", "cost")


def first_line(*command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.stdout.strip().splitlines()[0]
    except (OSError, IndexError):
        return f"{command[0]}: not installed"


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="ascii")
                  if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    virtual = "a virtual machine, " if " hypervisor" in open("/proc/cpuinfo", encoding="ascii").read() else ""
    event = hw.doctor()["event"]
    revision = subprocess.run(["git", "-C", hw.SOURCE, "describe", "--always", "--dirty"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False).stdout.strip() or "unknown"
    return "\n".join([
        f"- {datetime.date.today()}, {virtual}{model}, {os.cpu_count()} CPUs, {memory:.0f} GiB",
        f"- Linux {platform.release()}, sampling by {event}",
        f"- {first_line(hw.HOMEWARD, '--version')}, revision {revision}; {first_line('perf', '--version')}; "
        f"{first_line('bpftrace', '--version')}",
    ])


def run(name):
    try:
        with Scratch():
            return importlib.import_module(name).measure()
    except Exception as failure:  # one failed measurement must not take the others with it
        traceback.print_exc()
        return [Result(name, f"Not measured: {type(failure).__name__}: {failure}".replace("\n", " ")[:400])]


def main():
    write = "--write" in sys.argv
    names = [word for word in sys.argv[1:] if word != "--write"] or ALL
    for name in names:
        if name not in ALL:
            print(f"bench: no measurement '{name}'; there are {' '.join(ALL)}", file=sys.stderr)
            return 2
    results = []
    for name in names:
        progress(name)
        results += run(name)
    text = ["# Performance", "",
            "Made by `make bench WRITE=1` in one run on one machine; figures of this kind differ from machine to machine "
            "and from day to day. Compare within a table, not between tables.", "", machine(), ""]
    plots = [result.plot for result in results if result.plot]
    if plots:
        text += ["![Cost of a sample by recorder](performance.svg)", ""]
    text += [result.markdown() for result in results]
    document = "\n".join(text).rstrip() + "\n"
    if not write:
        print(document)
        return 0
    docs = os.path.join(hw.SOURCE, "docs")
    with open(os.path.join(docs, "performance.md"), "w", encoding="utf-8") as file:
        file.write(document)
    if plots:
        with open(os.path.join(docs, "performance.svg"), "w", encoding="utf-8") as file:
            file.write(draw(plots))
    print(document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
