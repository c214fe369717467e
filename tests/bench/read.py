#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How fast a long recording is read: folded stacks, flame graph and pprof, beside perf on the merged export.

    tests/bench/read.py [SAMPLES] [ROUNDS]     1,000,000 and 1

A few seconds of this machine are recorded and repeated, with later times, other cookies and all process
events, until the recording has so many samples. perf's part takes minutes. Times are interleaved; CPU time
is told beside the seconds, because it says the same on a machine that has other things to do.
"""

import os
import struct
import subprocess
import sys
import time

import common
from common import hw

CONTEXT_USER_DEFERRED = 2**64 - 640
SAMPLE, DEFERRED, USER_TYPE_START = 9, 22, 64


def shifted(record, kind, delta_ns, cookie_bits):
    """The record as it would be delta_ns later, in another stay in the kernel; None: it happens only once."""
    words = list(struct.unpack(f"<{len(record) // 8}Q", record))
    if kind == SAMPLE:
        words[3] += delta_ns
        if CONTEXT_USER_DEFERRED in words[7:]:
            words[words.index(CONTEXT_USER_DEFERRED, 7) + 1] ^= cookie_bits
    else:
        if not words[-2]:
            return None
        words[-2] += delta_ns
        if kind == DEFERRED:
            words[1] ^= cookie_bits
        if kind in (4, 7):  # EXIT, FORK: their own time
            words[3] += delta_ns
    return struct.pack(f"<{len(words)}Q", *words)


def records_of(data, at, size):
    end = at + size
    while at < end:
        kind, _, length = struct.unpack_from("<IHH", data, at)
        yield kind, data[at : at + length]
        at += length


def repeat(path, samples, output):
    """Write output: the recording over and over until it has so many samples, without a feature table."""
    with open(path, "rb") as file:
        data = file.read()
    header = list(struct.unpack_from("<13Q", data))
    begin, size = header[5], header[6]
    records = [(kind, record) for kind, record in records_of(data, begin, size) if kind < USER_TYPE_START]
    times = [struct.unpack_from("<Q", record, 24)[0] for kind, record in records if kind == SAMPLE]
    span_ns = max(times) - min(times) + 1000000
    count = written = copy = 0
    with open(output, "wb") as out:
        out.write(data[:begin])
        while count < samples:
            for kind, record in records:
                again = record if not copy else shifted(record, kind, copy * span_ns, copy << 48)
                if again:
                    out.write(again)
                    written += len(again)
                    count += kind == SAMPLE
                if count == samples:
                    break
            copy += 1
        header[6] = written
        header[9:] = [0, 0, 0, 0]
        table = out.tell()
        features = struct.unpack_from("<4Q", data, 72)
        out.write(relocated_features(data, begin + size, features, table))
        header[9:] = features
        out.seek(0)
        out.write(struct.pack("<13Q", *header))


def relocated_features(data, at, features, to):
    """The feature table, to be put at the offset to."""
    count = sum(bin(word).count("1") for word in features)
    sections = [struct.unpack_from("<2Q", data, at + 16 * i) for i in range(count)]
    table, bodies, offset = b"", b"", to + 16 * count
    for start, size in sections:
        table += struct.pack("<2Q", offset + len(bodies), size)
        bodies += data[start : start + size]
    return table + bodies


class Reader:
    def __init__(self, name, command, file):
        self.name, self.command, self.file = name, command, file
        self.seconds, self.cpu, self.rss = [], [], 0

    def measure(self):
        started = time.monotonic()
        with open(os.devnull, "wb") as null:
            process = subprocess.Popen([str(word) for word in self.command], stdin=subprocess.DEVNULL, stdout=null,
                                       stderr=null)
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, (self.command, process.returncode)
        self.seconds.append(time.monotonic() - started)
        self.cpu.append(usage.ru_utime + usage.ru_stime)
        self.rss = max(self.rss, usage.ru_maxrss / 1024)


def measure(samples, rounds):
    # without -a, so that whatever else this machine does is left out
    work = ["sh", "-c", f"{hw.workload('demo')} 5 & {hw.workload('deep')} 5 & perl -e 'sort {{$a <=> $b}} map {{rand}} 1..3e6' & "
            "(cd " + os.path.join(hw.SOURCE, "src", "report") + "; for i in 1 2 3; do cc -O2 -I.. -D_GNU_SOURCE -DHW_VERSION='\"\"' "
            "-c -o /dev/null tree.c; done); for i in $(seq 100); do /bin/true; done; wait"]
    hw.run("record", "-F", 4999, "-o", "short.data", "--", *work, timeout=120)
    repeat("short.data", samples, "long.data")
    account = hw.stats("long.data")
    assert account["samples"] == samples, account
    hw.run("export", "--to", "perf", "-o", "merged.data", "long.data", timeout=600)
    size = {name: os.path.getsize(name) / 1e6 for name in ("long.data", "merged.data")}
    print(f"{samples:,} samples, {100 * account['complete'] / max(account['answered'], 1):.1f} % of the stacks complete; "
          f"{size['long.data']:.0f} MB as recorded, {size['merged.data']:.0f} MB merged for perf.\n")
    homeward = [hw.HOMEWARD]
    readers = [
        Reader("homeward export --to folded", homeward + ["export", "--to", "folded", "long.data"], "long.data"),
        Reader("homeward flame", homeward + ["flame", "-o", "flame.html", "long.data"], "long.data"),
        Reader("homeward export --to pprof", homeward + ["export", "--to", "pprof", "long.data"], "long.data"),
        Reader("homeward report", homeward + ["report", "--no-pager", "long.data"], "long.data"),
        Reader("homeward script", homeward + ["script", "--no-pager", "long.data"], "long.data"),
        Reader("perf script", ["perf", "script", "-i", "merged.data", "--max-stack", 1024], "merged.data"),
        Reader("perf report", ["perf", "report", "-i", "merged.data", "--stdio", "--max-stack", 1024], "merged.data"),
    ]
    if not os.environ.get("HW_BENCH_PERF", "1") == "1":
        readers = readers[:5]
    for _ in range(rounds):
        for reader in readers:
            reader.measure()
    cpu = {reader.name: common.median(reader.cpu) for reader in readers}
    rows = [
        [reader.name, f"{common.median(reader.seconds):.2f}", f"{cpu[reader.name]:.2f}", f"{reader.rss:.0f} MB",
         f"{reader.rss * 1.048576 / size[reader.file]:.2f}",
         *(f"{cpu[other] / cpu[reader.name]:.1f} ×" if other in cpu else "–" for other in ("perf script", "perf report"))]
        for reader in readers
    ]
    common.table(["reader", "seconds", "CPU s", "peak RSS", "RSS / file", "faster than perf script", "than perf report"],
                 rows)


def main():
    samples = int(sys.argv[1].replace(",", "")) if len(sys.argv) > 1 else 1000000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    hw.need_root()
    hw.need_tool("perf")
    common.in_scratch(lambda: measure(samples, rounds))


if __name__ == "__main__":
    main()
