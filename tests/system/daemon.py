# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What tests of the daemon share: a daemon of one's own, and its protocol spoken by hand."""

import os
import re
import signal
import socket
import struct
import subprocess

import hw

# src/session/protocol.h
MAGIC, VERSION = 0x64777768, 1
HELLO, ADD_PROCESS, START, STOP = 1, 2, 3, 4
WELCOME, STARTED, STOPPED, ERROR = 64, 65, 66, 67
MESSAGE_BYTES = 496
STATUS = re.compile(r"(\d+) sessions, (\d+) kernel events, (\d+) tables; so far")
LOST, SAMPLE, CALLCHAIN = 2, 9, 22  # linux/perf_event.h: PERF_RECORD_…
USER_DEFERRED = 2**64 - 640  # in a sample: the cookie follows
ALL, PROCESSES = 0, 1


def message(kind, body=b"", pid=0, magic=MAGIC, version=VERSION):
    return (struct.pack("=IHHii", magic, version, kind, 0, pid) + body).ljust(MESSAGE_BYTES, b"\0")


def wish(rate=99, event=b"cpu-clock", user_only=0, kind=ALL, frequency=1, ring_bytes=0):
    return struct.pack("=32sQIIIIQQ", event, rate, frequency, user_only, kind, 0, 0, ring_bytes)


class Daemon:
    """A daemon at ./d.sock (everyone may use it), ended with the block."""

    def __init__(self, *options, path="d.sock", **popen):
        self.path = os.path.abspath(path)
        os.chmod(".", 0o755)
        self.log = open("daemon.log", "w+", encoding="utf-8")
        self.process = subprocess.Popen([hw.HOMEWARD, "daemon", "--socket", self.path, *options], text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log, **popen)

    def __enter__(self):
        hw.until(lambda: "serving at" in self.lines() or self.process.poll() is not None)
        assert self.process.poll() is None, self.lines()
        return self

    def __exit__(self, failure, *_):
        if self.process.poll() is None:
            self.process.terminate()
            status = self.process.wait(hw.PATIENCE)
            assert failure or status == 0, (status, self.lines()[-2000:])  # a sanitizer's word, too
        self.log.close()

    def lines(self):
        self.log.seek(0)
        return self.log.read()

    def descriptors(self):
        """How many are open, but for BPF maps: there is one for each unwind table, of whatever runs."""
        count = 0
        for descriptor in os.listdir(f"/proc/{self.process.pid}/fd"):
            try:
                count += "bpf-map" not in os.readlink(f"/proc/{self.process.pid}/fd/{descriptor}")
            except FileNotFoundError:
                pass
        return count

    def own_kib(self):
        """Memory of its own: without tables, which are those of whatever runs, and the kernel's rings."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("RssAnon:"))

    def children(self, name):
        """PIDs of its children of this name: hw-compiler, hw-opener."""
        found = []
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{thread}/children", encoding="ascii") as children:
                found += map(int, children.read().split())
        return [pid for pid in found if self.name_of(pid) == name]

    @staticmethod
    def name_of(pid):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as comm:
                return comm.read().strip()
        except OSError:  # it has ended
            return ""

    def of_the_kernel(self):
        """How many programs, links, events and maps of the kernel it has open (of tables, only a mapping is kept)."""
        counts = dict.fromkeys(("bpf-prog", "bpf_link", "[perf_event]", "bpf-map", "[bpf_iter]"), 0)
        for descriptor in os.listdir(f"/proc/{self.process.pid}/fd"):
            try:
                what = os.readlink(f"/proc/{self.process.pid}/fd/{descriptor}").removeprefix("anon_inode:")
            except FileNotFoundError:
                continue
            if what in counts:
                counts[what] += 1
        return counts

    def kernel_ids(self):
        """Numbers of its BPF maps and programs, as ("map_id", N)."""
        found = set()
        for descriptor in os.listdir(f"/proc/{self.process.pid}/fdinfo"):
            try:
                with open(f"/proc/{self.process.pid}/fdinfo/{descriptor}", encoding="ascii") as info:
                    found |= {(line.split(":")[0], int(line.split(":")[1])) for line in info
                              if line.startswith(("map_id:", "prog_id:"))}
            except FileNotFoundError:
                pass
        return found

    def status(self):
        """What it says when it is asked."""
        before = len(STATUS.findall(self.lines()))
        self.process.send_signal(signal.SIGUSR1)
        hw.until(lambda: len(STATUS.findall(self.lines())) > before)
        return {name: int(count) for name, count in
                zip(("sessions", "kernel_events", "tables"), STATUS.findall(self.lines())[-1])}

    def ring_maps(self):
        with open(f"/proc/{self.process.pid}/maps", encoding="ascii", errors="replace") as maps:
            return sum("homeward-ring" in line for line in maps)

    def connect(self):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        client.settimeout(hw.PATIENCE)
        client.connect(self.path)
        return client

    def record(self, *arguments, output="test.data", **options):
        """homeward record through this daemon; the finished process."""
        return hw.run("record", "--socket", self.path, "-o", output, *arguments, **options)

    def start_record(self, *arguments, output="test.data", **options):
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.Popen([hw.HOMEWARD, "record", "--socket", self.path, "-o", output, *arguments], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options)


class Ring:
    """The client's side of its ring (src/session/shared_ring.h): a page with head and tail, then the bytes."""

    def __init__(self, client):
        _, descriptors, _, _ = socket.recv_fds(client, 4096, 2)
        self.file = descriptors[0]
        os.close(descriptors[1])
        self.size = os.fstat(self.file).st_size - 4096
        self.tail = 0

    def read(self):
        """What came since the last time, as (type, body)."""
        head, = struct.unpack("=Q", os.pread(self.file, 8, 0))
        at, end = self.tail % self.size, self.tail % self.size + head - self.tail
        data = os.pread(self.file, min(end, self.size) - at, 4096 + at)
        data += os.pread(self.file, max(end - self.size, 0), 4096)
        self.tail = head
        os.pwrite(self.file, struct.pack("=Q", head), 128)
        at, records = 0, []
        while at + 8 <= len(data):
            kind, _, size = struct.unpack_from("=IHH", data, at)
            records.append((kind, data[at + 8:at + size]))
            at += size
        return records


def answer(client):
    """The daemon's next message: its type and, of an error, its text. (0, "") if it has closed."""
    try:
        data, descriptors, _, _ = socket.recv_fds(client, 4096, 4)
    except ConnectionResetError:
        return 0, ""
    for descriptor in descriptors:
        os.close(descriptor)
    if not data:
        return 0, ""
    assert len(data) == MESSAGE_BYTES, len(data)
    kind = struct.unpack_from("=H", data, 6)[0]
    return kind, data[16:].split(b"\0")[0].decode() if kind == ERROR else ""


def refusal(daemon, *messages):
    """What the daemon says in the end to one who sends these."""
    with daemon.connect() as client:
        for each in messages:
            try:
                client.send(each)
            except (BrokenPipeError, ConnectionResetError):
                break
        kind, text = answer(client)
        while kind not in (ERROR, 0):
            kind, text = answer(client)
        assert kind == ERROR, "no error came"
        return hw.one_line(text)


def stop(process, patience=hw.PATIENCE):
    """End a recording as a user does; its exit status and what it printed."""
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=patience)
    return process.returncode, text


def busy(seconds):
    """A process that burns a CPU for so long, and for half of that by its own account."""
    return ["/usr/bin/perl", "-e", f"$e = time + {seconds}; 1 while time < $e or (times)[0] < {seconds / 2}"]
