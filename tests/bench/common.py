# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the measurements share. They use the helpers of the system tests.

A measurement is a module with a function measure() that returns a Result: what was measured today, or a reason why
it was not. run.py prints results as Markdown and draws what they plot.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "system"))

import hw  # noqa: E402  (the path has to be set first)


@dataclass
class Plot:
    """Bars with ranges: rows of (label, series, median, low, high)."""

    title: str
    unit: str
    bars: list


@dataclass
class Result:
    title: str
    how: str  # one or two sentences: what was run
    headings: tuple = ()
    rows: list = field(default_factory=list)
    notes: list = field(default_factory=list)  # below the table; what could not be measured, too
    plot: Plot = None
    compared: dict = None  # of cost: what goes to the table at the top

    def markdown(self):
        lines = [f"## {self.title}", "", self.how, ""]
        if self.rows:
            lines += ["| " + " | ".join(self.headings) + " |", "|" + "---|" * len(self.headings)]
            lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in self.rows]
            lines.append("")
        for note in self.notes:
            lines += [note, ""]
        return "\n".join(lines)


def each(*functions):
    """The results of functions that measure; one that fails takes nothing from the others."""
    for function in functions:
        try:
            yield function()
        except Exception as failure:
            traceback.print_exc()
            yield Result(function.__doc__ or function.__name__, f"Not measured: {reason_of(failure)}.")


def reason_of(failure):
    return f"{type(failure).__name__}: {failure}".replace("\n", " ")[:300]


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def percent(part, whole):
    return f"{100 * part / whole:.3f} %" if whole else "–"


def median(values):
    return statistics.median(values) if values else float("nan")


def spread(values, digits=1):
    """"median (least–most)"."""
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})" if values else "–"


class Scratch:
    """A directory of its own that is removed afterwards: with Scratch(): …"""

    def __enter__(self):
        self.home = os.getcwd()
        self.directory = tempfile.TemporaryDirectory(prefix="homeward-bench-")
        os.chdir(self.directory.name)

    def __exit__(self, *_):
        os.chdir(self.home)
        self.directory.cleanup()


class Measured:
    """A process that runs beside the measurement: end() gives its CPU seconds and peak RSS in MB."""

    def __init__(self, command, **options):
        self.log = tempfile.TemporaryFile()
        options.setdefault("stdout", self.log)
        self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stderr=self.log,
                                        **options)

    def kill(self):
        """End it without a question, if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def said(self):
        # By position: the process writes where this descriptor stands.
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def ask_to_end(self, signal):
        """And again after 20 s: bpftrace was seen to miss one. It stays to be waited for."""
        for _ in range(3):
            self.process.send_signal(signal)
            asked = time.monotonic()
            while time.monotonic() - asked < 20:
                if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                    return
                time.sleep(0.01)
        self.process.kill()

    def end(self, signal):
        """End it by this signal, or 0: it ends by itself. CPU seconds and peak RSS in MB."""
        if signal:
            self.ask_to_end(signal)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode not in (0, -signal):
            raise AssertionError(f"{self.process.args}: {self.process.returncode}: {self.said()}")
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def timed(command, **options):
    """Seconds, CPU seconds and peak RSS in MB of a whole command that must succeed."""
    start = time.monotonic()
    options.setdefault("stdout", subprocess.DEVNULL)
    process = Measured(command, **options)
    cpu, rss = process.end(0)
    return time.monotonic() - start, cpu, rss
