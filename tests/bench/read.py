#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How fast a long recording is read: folded stacks, flame graph and pprof, beside perf on the merged export.

A few seconds of several programs are recorded and repeated, with later times, other cookies and all process events,
until the recording has 300,000 samples (SAMPLES). The readers take turns; CPU time is told beside the seconds, because
it says the same on a machine that has other things to do.
"""

import os
import struct

from common import Result, hw, median, progress, timed

SAMPLES = int(os.environ.get("SAMPLES", "300000"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
CONTEXT_USER_DEFERRED = 2**64 - 640
SAMPLE, DEFERRED, USER_TYPE_START = 9, 22, 64


def shifted(record, kind, delta_ns, cookie_bits):
    """The record as it would be delta_ns later, in another stay in the kernel; None: it happens only once."""
    words = list(struct.unpack(f"<{len(record) // 8}Q", record))
    if kind == SAMPLE:
        words[3] += delta_ns
        if CONTEXT_USER_DEFERRED in words[6:]:
            words[words.index(CONTEXT_USER_DEFERRED, 6) + 1] ^= cookie_bits
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
        if start < at:  # before the records, where it stays
            table += struct.pack("<2Q", start, size)
            continue
        table += struct.pack("<2Q", offset + len(bodies), size)
        bodies += data[start : start + size]
    return table + bodies


class Reader:
    def __init__(self, name, command, file):
        self.name, self.command = name, [*command, file]
        self.megabytes = os.path.getsize(file) / 1e6
        self.seconds, self.cpu, self.rss = [], [], 0

    def measure(self):
        seconds, cpu, rss = timed(self.command)
        self.seconds.append(seconds)
        self.cpu.append(cpu)
        self.rss = max(self.rss, rss * 1.048576)

    def row(self, others):
        faster = [f"{median(other.cpu) / median(self.cpu):.1f} ×" if other is not self else "1" for other in others]
        return (self.name, f"{median(self.seconds):.2f}", f"{median(self.cpu):.2f}", f"{self.rss:.0f}",
                f"{self.rss / self.megabytes:.2f}", *faster)


def record(output):
    # without -a, so that whatever else this machine does is left out
    work = (f"{hw.workload('demo')} 5 & {hw.workload('deep')} 5 & perl -e 'sort {{$a <=> $b}} map {{rand}} 1..3e6' & "
            f"(cd {hw.SOURCE}/src/report; for i in 1 2 3; do cc -O2 -I.. -D_GNU_SOURCE -DHW_VERSION='\"\"' -c "
            "-o /dev/null tree.c; done); for i in $(seq 100); do /bin/true; done; wait")
    hw.run("record", "-F", 4999, "-o", output, "--", "sh", "-c", work, timeout=120)


def measure():
    hw.need_root()
    hw.need_tool("perf")
    progress(f"read: a recording of {SAMPLES:,} samples")
    record("short.data")
    repeat("short.data", SAMPLES, "long.data")
    account = hw.stats("long.data")
    assert account["samples"] == SAMPLES, account
    hw.run("export", "--to", "perf", "-o", "merged.data", "long.data", timeout=600)
    homeward = [
        Reader(name, [hw.HOMEWARD, *name.split()[1:], *options], "long.data")
        for name, *options in (("homeward export --to folded",), ("homeward flame", "-o", "flame.html"),
                               ("homeward export --to pprof",), ("homeward report", "--no-pager"),
                               ("homeward script", "--no-pager"))
    ]
    perf = [
        Reader("perf script", ["perf", "script", "--max-stack", "1024", "-i"], "merged.data"),
        Reader("perf report", ["perf", "report", "--stdio", "--max-stack", "1024", "-i"], "merged.data"),
    ]
    for number in range(ROUNDS):
        progress(f"read: round {number + 1} of {ROUNDS}")
        for reader in homeward + perf:
            reader.measure()
    return [Result(
        "Reading",
        f"A recording of {SAMPLES:,} samples ({homeward[0].megabytes:.0f} MB; {perf[0].megabytes:.0f} MB merged for perf), "
        f"{100 * account['complete'] / max(account['answered'], 1):.1f} % of the stacks complete; medians of {ROUNDS} "
        "rounds in turn. How much faster is by CPU time.",
        ("reader", "s", "CPU s", "peak RSS, MB", "RSS / file", *(f"faster than {other.name}" for other in perf)),
        [reader.row(perf) for reader in homeward + perf])]
