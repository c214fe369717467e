# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Many programs that record through one daemon: are stacks walked once, and what does a sample cost then?

The daemon and its clients run on one CPU, the work (tests/workloads/gaps.c, which sees each interrupt as a gap in its
time stamps) on another, below one client, and below eight. All record the whole machine. Counted are the walks of the
work, from the clients' own files: the clients themselves are seen, too, and eight of them run more often than one, so
the walks of the whole machine, which the daemon counts, tell how busy the recorders are as well.
"""

import os
import re
import signal
import struct
import subprocess
import time

from common import Result, hw, median, progress, spread

ROUNDS = int(os.environ.get("ROUNDS", "7"))
RATE = int(os.environ.get("RATE", "999"))
SECONDS = 2
CPU, ITS_CPU = max(os.sched_getaffinity(0)), min(os.sched_getaffinity(0))
STATUS = re.compile(r"so far (\d+) samples, (\d+) walks at once, (\d+) on the way home.* at (\d+) ms")
SAMPLE, CALLCHAIN = 9, 22  # linux/perf_event.h: PERF_RECORD_SAMPLE, PERF_RECORD_CALLCHAIN_DEFERRED


def gaps():
    """Of the work: its PID, and the median of its gaps in µs."""
    work = subprocess.Popen(["taskset", "-c", str(CPU), hw.workload("gaps"), str(SECONDS)], text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    text = work.communicate(timeout=60)[0]
    assert work.returncode == 0
    return work.pid, int(re.search(r"p50 (\d+)", text).group(1)) / 1000


def rates(path, pid):
    """Samples and walks a second of that process, from its first sample to its last."""
    with open(path, "rb") as file:
        data = file.read()
    at, size = struct.unpack_from("<QQ", data, 40)  # of the data section
    end = min(at + size, len(data)) if size else len(data)
    times, walks = [], 0
    while at + 8 <= end:
        kind, _, length = struct.unpack_from("<IHH", data, at)
        if kind == SAMPLE:  # ip, pid and tid, time
            _, its_pid, _, when = struct.unpack_from("<QIIQ", data, at + 8)
            if its_pid == pid:
                times.append(when)
        elif kind == CALLCHAIN:  # ends with pid and tid, time, cpu
            walks += struct.unpack_from("<I", data, at + length - 24)[0] == pid
        at += max(length, 8)
    seconds = (max(times) - min(times)) / 1e9
    return len(times) / seconds, walks / seconds


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

    def walks(self):
        """Of the whole machine so far; and seconds."""
        before = len(STATUS.findall(self.lines()))
        self.daemon.send_signal(signal.SIGUSR1)
        hw.until(lambda: len(STATUS.findall(self.lines())) > before)
        _, at_once, home, at_ms = map(int, STATUS.findall(self.lines())[-1])
        return at_once + home, at_ms / 1000


class Figures:
    """Of so many clients, round by round."""

    def __init__(self):
        self.gap, self.samples, self.walks, self.machine, self.complete = [], [], [], [], []

    def add(self, count):
        with Clients(count) as clients:
            begin = clients.walks()
            pid, gap = gaps()
            end = clients.walks()
        self.gap.append(gap)
        self.machine.append((end[0] - begin[0]) / (end[1] - begin[1]))
        for i in range(count):
            samples, walks = rates(f"{i}.data", pid)
            self.samples.append(samples)
            self.walks.append(walks)
            account = hw.stats(f"{i}.data")
            self.complete.append(100 * account["ended"].get("complete", 0) / account["answered"])
            assert not account["lost"]["samples"], account["lost"]
            os.remove(f"{i}.data")


def measure():
    figures = {1: Figures(), 8: Figures()}
    alone = []
    for number in range(ROUNDS):
        progress(f"clients: round {number + 1} of {ROUNDS}")
        alone.append(gaps()[1])
        for count in sorted(figures, reverse=bool(number % 2)):
            figures[count].add(count)
    rows = [(f"{count} client{'s' if count > 1 else ''}", spread(each.samples), spread(each.walks), spread(each.gap),
             f"{min(each.complete):.2f} %", spread(each.machine, 0)) for count, each in figures.items()]
    one, eight = figures[1], figures[8]
    return [Result(
        f"Eight clients against one, {RATE} Hz each, through one daemon",
        f"All record the whole machine; the work watches its clock below 35 frames on a CPU of its own. {ROUNDS} rounds; "
        "median (least–most) of the rounds' and clients' own files.",
        ("", "samples of the work a second", "walks of the work a second", "median gap by a sample, µs",
         "complete, the worst client's", "walks of the whole machine a second"), rows,
        [f"Walks of the work: {median(eight.walks) / median(one.walks):.3f} times as many with eight. Time that a sample "
         f"takes from the work: {median(eight.gap) / median(one.gap):.2f} times. The last column has the clients' own "
         f"walks in it. Without a recorder the median gap is {spread(alone)} µs."])]
