# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Many programs that record through one daemon: are stacks walked once, and what does a sample cost then?

The daemon and its clients run on one CPU, the work on another. Walks are counted by the daemon between two moments at
which all clients record; the work is timed alone, below one client, and below eight.
"""

import os
import re
import signal
import subprocess
import time

from common import Result, hw, median, progress, spread

ROUNDS = int(os.environ.get("ROUNDS", "5"))
RATE = int(os.environ.get("RATE", "999"))
CPU, ITS_CPU = max(os.sched_getaffinity(0)), min(os.sched_getaffinity(0))
WORK = 3000
STATUS = re.compile(r"so far (\d+) samples, (\d+) walks at once, (\d+) on the way home.* at (\d+) ms")


def work():
    done = subprocess.run(["taskset", "-c", str(CPU), hw.workload("work"), "cpu", str(WORK)], check=True, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return int(re.search(r"elapsed_ns (\d+)", done.stdout).group(1)) / 1e9


class Clients:
    """A daemon with so many clients that all record everything."""

    def __init__(self, count):
        self.count = count

    def __enter__(self):
        pinned = ["taskset", "-c", str(ITS_CPU)]
        self.log = open("daemon.log", "w+", encoding="utf-8")
        path = os.path.abspath("d.sock")
        self.daemon = subprocess.Popen([*pinned, hw.HOMEWARD, "daemon", "--socket", path], stderr=self.log,
                                       stdin=subprocess.DEVNULL)
        hw.until(lambda: "serving at" in self.lines(), 60)
        self.clients = [subprocess.Popen([*pinned, hw.HOMEWARD, "record", "-q", "-a", "-e", "cpu-clock", "-F", str(RATE),
                                          "--socket", path, "-o", f"{i}.data"], stdin=subprocess.DEVNULL)
                        for i in range(self.count)]
        hw.until(lambda: all(os.path.exists(f"{i}.data") and os.path.getsize(f"{i}.data") > 20000
                             for i in range(self.count)), 60)
        time.sleep(0.5)
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.send_signal(signal.SIGINT)
        for client in self.clients:
            assert client.wait(60) == 0
        self.daemon.terminate()
        assert self.daemon.wait(60) == 0
        self.log.close()

    def lines(self):
        self.log.seek(0)
        return self.log.read()

    def status(self):
        """Samples, walks and seconds so far."""
        before = len(STATUS.findall(self.lines()))
        self.daemon.send_signal(signal.SIGUSR1)
        hw.until(lambda: len(STATUS.findall(self.lines())) > before)
        samples, at_once, home, at_ms = map(int, STATUS.findall(self.lines())[-1])
        return samples, at_once + home, at_ms / 1000

    def measure(self):
        """Seconds of the work; samples and walks a second meanwhile."""
        begin = self.status()
        seconds = work()
        end = self.status()
        passed = end[2] - begin[2]
        return seconds, (end[0] - begin[0]) / passed, (end[1] - begin[1]) / passed


def measure():
    alone, figures = [], {1: [], 8: []}
    complete = []
    for number in range(ROUNDS):
        progress(f"clients: round {number + 1} of {ROUNDS}")
        alone.append(work())
        for count in sorted(figures, reverse=bool(number % 2)):
            with Clients(count) as clients:
                figures[count].append(clients.measure())
            for i in range(count):
                account = hw.stats(f"{i}.data")
                if count == 8:
                    complete.append(100 * account["ended"].get("complete", 0) / account["answered"])
                os.remove(f"{i}.data")
    cost = {count: [(seconds - base) / (RATE * seconds) * 1e6 for (seconds, _, _), base in zip(each, alone)]
            for count, each in figures.items()}
    walks = {count: [rate for _, _, rate in each] for count, each in figures.items()}
    rows = [(f"{count} client{'s' if count > 1 else ''}", spread([rate for _, rate, _ in each], 0), spread(walks[count], 0),
             spread(cost[count])) for count, each in figures.items()]
    return [Result(
        f"Eight clients against one, {RATE} Hz each, through one daemon",
        f"All record the whole machine; the work computes below 35 frames on a CPU of its own. {ROUNDS} rounds; "
        "median (least–most).",
        ("", "samples a second", "walks a second", "run time added, µs a sample on the profiled CPU"), rows,
        [f"Walks: {median(walks[8]) / median(walks[1]):.3f} times as many with eight. Cost of a sample: "
         f"{median(cost[8]) / median(cost[1]):.2f} times. Stacks complete in the files of the eight: "
         f"{spread(complete, 2)} %. One percent of the work's run time is {1e4 / RATE:.0f} µs a sample."])]
