#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Run measurements and print them as Markdown.

    run.py [--write] [MEASUREMENT...]      all, or: cost gaps frames completeness sharing start memory tables read
                                           growth clients

With --write, docs/performance.md and its plot docs/performance.svg are made anew from what was measured in this run,
and from nothing else. What could not be measured is named with the reason. Each measurement is a process of its own:
one that fails, hangs, or does not fit into MINUTES (28) takes nothing from the others, and what it had found until
then is kept.
"""

import datetime
import os
import pickle
import platform
import signal
import subprocess
import sys
import time

from common import Result, Scratch, hw, median, progress, spread
from plot import draw

ALL = ("gaps", "cost", "frames", "completeness", "sharing", "start", "memory", "tables", "read", "growth", "clients")
MINUTES = float(os.environ.get("MINUTES", "28"))
OURS, DEFERRED, FP, DWARF = "homeward", "homeward --walk=deferred", "perf -g (frame pointers)", "perf --call-graph dwarf"


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
        f"{first_line('bpftrace', '--version')}; {first_line('sysprof-cli', '--version')}",
    ])


def measure_part(name, path):
    """In a process of its own: measure, and keep what is found in the file as it comes."""
    import importlib

    results = []
    path = os.path.abspath(path)
    with Scratch():
        for result in importlib.import_module(name).measure():
            results.append(result)
            with open(path + ".new", "wb") as file:
                pickle.dump(results, file)
            os.replace(path + ".new", path)


def run(name, path, deadline):
    """The results of a measurement; the last one says what went wrong, if something did."""
    seconds = deadline - time.monotonic()
    if seconds < 5:
        return [Result(name, f"Not measured: the {MINUTES:.0f} minutes of this run were over (MINUTES changes them).")]
    part = subprocess.Popen([sys.executable, __file__, "--part", name, path], stdin=subprocess.DEVNULL,
                            start_new_session=True)
    wrong = None
    try:
        if part.wait(seconds):
            wrong = "it failed; the reason stands in the output of make bench"
    except subprocess.TimeoutExpired:
        wrong = f"it did not end within the {MINUTES:.0f} minutes of this run"
    finally:
        try:
            os.killpg(part.pid, signal.SIGKILL)  # what it started and left
        except ProcessLookupError:
            pass
        part.wait()
    results = []
    if os.path.exists(path):
        with open(path, "rb") as file:
            results = pickle.load(file)
        os.remove(path)
    if wrong:
        results.append(Result(f"{name}, the rest" if results else name, f"Not measured: {wrong}."))
    return results


def glance(results):
    """One table over all kinds of work: what a sample costs, recorder included."""
    compared = [result.compared for result in results if result.compared]
    names = list(dict.fromkeys(name for each in compared for name in each["cost"]))
    if not compared:
        return []

    def share(cost, other):
        return spread([a / b for a, b in zip(cost.get(OURS, []), cost.get(other, []))], 2)

    rows = [(each["work"], *(f"{median(each['cost'][name]):.1f}" if name in each["cost"] else "–" for name in names),
             share(each["cost"], FP), share(each["cost"], DWARF)) for each in compared]
    return [Result("At a glance", "What a sample costs in µs, run time added to the program and CPU time of the recorder "
                   "together; medians. The last two columns say homeward's share of what perf's modes cost, round by round: "
                   "median (least–most). Where the program watches its own clock, this is exact to tenths of a microsecond; the time "
                   "of a fixed amount of work varies by a percent by itself: see the tables below.",
                   ("work", *names, "homeward / perf fp", "homeward / perf dwarf"), rows)]


def document(results, seconds):
    text = ["# Performance", "",
            f"Made by `make bench WRITE=1` in one run of {seconds / 60:.0f} minutes on one machine; figures of this kind "
            "differ from machine to machine and from day to day. Compare within a table, not between tables.", "",
            machine(), ""]
    text += [result.markdown() for result in glance(results)]
    if any(result.plot for result in results):
        text += ["![Cost of a sample by recorder](performance.svg)", ""]
    text += [result.markdown() for result in results]
    return "\n".join(text).rstrip() + "\n"


def write_files(text, plots):
    docs = os.path.join(hw.SOURCE, "docs")
    with open(os.path.join(docs, "performance.md"), "w", encoding="utf-8") as file:
        file.write(text)
    if plots:
        with open(os.path.join(docs, "performance.svg"), "w", encoding="utf-8") as file:
            file.write(draw(plots))


def main():
    if sys.argv[1:2] == ["--part"]:
        measure_part(*sys.argv[2:4])
        return 0
    write = "--write" in sys.argv
    names = [word for word in sys.argv[1:] if word != "--write"] or ALL
    for name in names:
        if name not in ALL:
            print(f"bench: no measurement '{name}'; there are {' '.join(ALL)}", file=sys.stderr)
            return 2
    results, begun = [], time.monotonic()
    with Scratch():
        for name in names:
            progress(name)
            try:
                results += run(name, os.path.abspath("results"), begun + MINUTES * 60)
            except KeyboardInterrupt:
                results.append(Result(name, "Not measured: interrupted."))
                break
    text = document(results, time.monotonic() - begun)
    if write:
        write_files(text, [result.plot for result in results if result.plot])
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
