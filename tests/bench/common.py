# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What the measurements share. They use the helpers of the system tests."""

import os
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "system"))

import hw  # noqa: E402  (the path has to be set first)


def table(headings, rows):
    """Print a table in Markdown."""
    print("| " + " | ".join(headings) + " |")
    print("|" + "---|" * len(headings))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
    sys.stdout.flush()


def percent(part, whole):
    return f"{100 * part / whole:.3f} %" if whole else "–"


def median(values):
    return statistics.median(values) if values else float("nan")


def in_scratch(function):
    """Run function in a directory of its own that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="homeward-bench-") as directory:
        home = os.getcwd()
        os.chdir(directory)
        try:
            function()
        finally:
            os.chdir(home)


class Measured:
    """A process that runs beside the measurement: end() gives its CPU seconds and peak RSS in MB."""

    def __init__(self, command):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def end(self, signal):
        self.process.send_signal(signal)
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode not in (0, -signal):
            self.log.seek(0)
            raise AssertionError(f"{self.process.args}: {self.process.returncode}: {self.log.read().decode()}")
        return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def timed(function):
    """The seconds that function() takes."""
    start = time.monotonic()
    function()
    return time.monotonic() - start
