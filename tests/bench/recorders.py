# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The recorders that are compared: how each is started, and how many samples it kept of one program.

All sample the whole machine by cpu-clock at the same rate and leave the idle task out. Frame-pointer walkers get
programs that are built with frame pointers; they could not walk the others.
"""

import os
import re
import shutil
import signal
import struct
import subprocess
import time

from common import Measured, hw


class Recorder:
    frame_pointers = False  # needs the build with frame pointers
    program = None          # that must be installed
    compared = True         # at the top: measured in more rounds

    def __init__(self, name):
        self.name = name
        self.path = "record.out"
        self.process = None

    def missing(self):
        """Why this recorder cannot be measured here, or None."""
        return None if not self.program or shutil.which(self.program) else f"{self.program} is not installed"

    def start(self, rate):
        self.remove()
        self.process = Measured([str(word) for word in self.command(rate)])
        with hw.Background([hw.workload("deep"), 30, os.cpu_count(), 60]):  # something to be sampled
            hw.until(self.ready, 60)
            time.sleep(0.5)

    def ready(self):
        # Not before it samples: what a recorder does at its start is not what is measured.
        if self.process.process.poll() is not None:
            raise AssertionError(f"{self.name} ended at once: {self.process.said()}")
        return os.path.exists(self.path) and os.path.getsize(self.path) > 65536

    def cpu_seconds(self):
        """CPU time that its threads have taken until now."""
        directory = f"/proc/{self.process.process.pid}/task"
        total = 0
        for thread in os.listdir(directory):
            with open(f"{directory}/{thread}/schedstat", encoding="ascii") as file:
                total += int(file.read().split()[0])
        return total / 1e9

    def stop(self):
        """CPU seconds in all, its start and its end included, and peak RSS in MB."""
        return self.process.end(signal.SIGINT)

    def kill(self):
        if self.process:
            self.process.kill()

    def file_bytes(self):
        return os.path.getsize(self.path)

    def remove(self):
        for path in self.path, self.path + ".old":
            if os.path.exists(path):
                os.remove(path)


class Homeward(Recorder):
    binary = hw.HOMEWARD

    def __init__(self, name, *options):
        super().__init__(name)
        self.options = options
        self.compared = not options

    def command(self, rate):
        return [self.binary, "record", "-a", "-F", rate, "-q", "-o", self.path, *self.options]

    def counts(self, comm):
        """All samples, those of a program by that name, lost ones, and the share of complete stacks."""
        text = hw.run("script", "-F", "comm", "-i", self.path, timeout=300).stdout
        names = [line.strip() for line in text.splitlines() if line.strip()]
        account = hw.stats(self.path)
        return (len(names), sum(name.startswith(comm) for name in names), sum(account["lost"].values()),
                account["complete"] / max(account["asked"], 1))

    def fold(self):
        return [hw.HOMEWARD, "export", "--to", "folded", "-i", self.path]


class Perf(Recorder):
    program = "perf"

    def __init__(self, name, *options, frame_pointers=False):
        super().__init__(name)
        self.options = options
        self.frame_pointers = frame_pointers

    def command(self, rate):
        return ["perf", "record", "-q", "-B", "-N", "-a", "-e", "cpu-clock:I", "-F", rate, "-o", self.path, *self.options]

    def counts(self, comm):
        script = subprocess.run(["perf", "script", "-i", self.path, "--show-lost-events", "-F", "comm"], check=False,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if script.returncode:  # perf 6.1 aborts where a file with a long build ID is mapped anywhere: count by our reader
            names = hw.run("script", "-F", "comm", "-i", self.path, timeout=300).stdout.split("\n")
            names = [line.strip() for line in names if line.strip()]
            return (len(names), sum(name.startswith(comm) for name in names),
                    sum(hw.stats(self.path)["lost"].values()), None)
        text = script.stdout.decode(errors="replace")
        lost = sum(int(number) for number in re.findall(r"PERF_RECORD_LOST\S* .*?lost[ _]*(\d+)", text))
        names = [line.strip() for line in text.splitlines() if line.strip() and "PERF_RECORD" not in line]
        return len(names), sum(name.startswith(comm) for name in names), lost, None

    def fold(self):
        return ["perf", "script", "-i", self.path]


class Bpftrace(Recorder):
    """Counts stacks in the kernel, by frame pointers; it keeps no samples, so its counts come
    from its map."""

    program = "bpftrace"
    frame_pointers = True
    compared = False

    def command(self, rate):
        return ["bpftrace", "-B", "none", "-o", self.path, "-e",
                f"profile:hz:{rate} /pid/ {{ @n[comm] = count(); @s[ustack, kstack] = count(); }}"]

    def ready(self):
        if self.process.process.poll() is not None:
            raise AssertionError(f"bpftrace ended at once: {self.process.said()}")
        with open(f"/proc/{self.process.process.pid}/wchan", encoding="ascii") as wchan:
            return os.path.exists(self.path) and os.path.getsize(self.path) and "poll" in wchan.read()

    def counts(self, comm):
        with open(self.path, encoding="utf-8", errors="replace") as file:
            found = re.findall(r"^@n\[(.*)\]: (\d+)$", file.read(), re.M)
        return (sum(int(n) for _, n in found), sum(int(n) for name, n in found if name.startswith(comm)), 0, None)

    def file_bytes(self):
        return 0

    def fold(self):
        return None


class Sysprof(Recorder):
    """It needs the system's message bus and polkit: both are started for it, in a mount namespace of its own."""

    program = "sysprof-cli"
    frame_pointers = True
    compared = False
    rate = 1000  # it knows no other
    polkit = "/usr/lib/polkit-1/polkitd"
    script = """
        mount -t tmpfs none /run && mkdir /run/dbus || exit 1
        paranoid=/proc/sys/kernel/perf_event_paranoid  # it writes -1 there, and leaves that when it is killed
        cp $paranoid /run/paranoid && mount --bind /run/paranoid $paranoid || exit 1
        dbus-daemon --system --nofork --nopidfile & echo $! > sysprof.pids
        for i in 1 2 3 4 5 6 7 8 9; do [ -S /run/dbus/system_bus_socket ] || sleep 0.2; done
        "$1" --no-debug & echo $! >> sysprof.pids
        sleep 0.5
        exec sysprof-cli --force --no-battery --no-cpu --no-disk --no-memory --no-network --no-decode "$2"
    """

    def missing(self):
        for tool in "dbus-daemon", self.polkit:
            if not shutil.which(tool):
                return f"{tool}, which sysprof needs, is not installed"
        return super().missing()

    def command(self, rate):
        if rate not in (999, self.rate):
            raise AssertionError(f"sysprof samples at {self.rate} Hz only")
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", self.script, "sh", self.polkit, self.path]

    def end_helpers(self):
        if not os.path.exists("sysprof.pids"):
            return
        with open("sysprof.pids", encoding="ascii") as file:
            for pid in map(int, file):
                try:
                    os.kill(pid, signal.SIGTERM)
                except ProcessLookupError:
                    pass
        os.remove("sysprof.pids")

    def stop(self):
        try:
            return super().stop()
        finally:
            self.end_helpers()

    def kill(self):
        super().kill()
        self.end_helpers()

    def counts(self, comm):
        """By the capture's own format (sysprof-capture-types.h): frames of length, cpu, pid, time, type."""
        with open(self.path, "rb") as file:
            data = file.read()
        at, samples, names = 256, [], {}
        while at + 24 <= len(data):
            length, _, pid, _, kind = struct.unpack_from("<HhiqB", data, at)
            if not length:
                break
            if kind == 2:
                samples.append(pid)
            elif kind == 4:  # a process and its command line
                names[pid] = data[at + 24 : at + length].split(b"\0")[0].decode(errors="replace")
            at += length
        ours = {pid for pid, name in names.items() if os.path.basename(name.split()[0] if name else "").startswith(comm)}
        busy = [pid for pid in samples if pid]
        return len(busy), sum(pid in ours for pid in busy), 0, None

    def fold(self):
        return None


HOMEWARD = Homeward("homeward")
RECORDERS = [
    HOMEWARD,
    Homeward("homeward --walk=deferred", "--walk", "deferred"),
    Perf("perf, no callchain"),
    Perf("perf -g (frame pointers)", "-g", frame_pointers=True),
    Perf("perf --call-graph dwarf", "--call-graph", "dwarf,8192"),
    Bpftrace("bpftrace ustack (frame pointers)"),
]
SYSPROF = Sysprof("sysprof (frame pointers), 1000 Hz")
