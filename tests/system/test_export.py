#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What is exported says the same as the recording: read back by readers that are not ours."""

import os
import re
import struct
import subprocess
import tempfile

import hw

DIRECTORY = tempfile.TemporaryDirectory(prefix="homeward-export-")  # goes when the tests end

# Run inside perf, once for every sample; its addresses are absolute, those that perf prints are not.
PERF_SCRIPT = """
def process_event(event):
    sample = event["sample"]
    addresses = " ".join("%x" % frame["ip"] for frame in event["callchain"])
    print("%s\\t%d\\t%d\\t%d\\t%s" % (event["comm"], sample["tid"], sample["cpu"], sample["time"], addresses))
"""


def recorded():
    """A recording of forks, threads, deep stacks and long reads; made once."""
    hw.need_root()
    hw.need_recording()
    path = os.path.join(DIRECTORY.name, "test.data")
    if not os.path.exists(path):
        hw.record("-a", "-F", 2999, "--", "sh", "-c", f"{hw.workload('demo')} 2 & {hw.workload('longread')} 1; "
                  "for i in 1 2 3; do /bin/true; done; wait", output=path, stdout=subprocess.DEVNULL)
    return path


def script_samples(path):
    """(time in us, cpu, tid, comm, addresses) of each sample, as homeward script prints them; sorted."""
    samples = []
    for line in hw.run("script", "--no-pager", path, timeout=120).stdout.splitlines():
        if line.startswith("\t"):
            if "(cookie)" not in line:
                samples[-1][4].append(line.split()[0])
        elif line:
            head = re.match(r"(.*?) +(\d+) \[(\d+)\] +(\d+)\.(\d+):", line)
            assert head, line
            time_us = int(head[4]) * 1000000 + int(head[5])
            samples.append((time_us, int(head[3]), int(head[2]), head[1], []))
    return sorted(samples)


def perf_samples(path):
    """The same, as perf reads the file."""
    with open("samples.py", "w", encoding="utf-8") as file:
        file.write(PERF_SCRIPT)
    done = subprocess.run(["perf", "script", "-i", path, "--max-stack", "1024", "-s", "samples.py"], check=True,
                          capture_output=True, text=True, timeout=120)
    samples = []
    for line in done.stdout.splitlines():
        comm, tid, cpu, time_ns, addresses = line.split("\t")
        samples.append((int(time_ns) // 1000, int(cpu), int(tid), comm, addresses.split()))
    return sorted(samples)


def attributes_and_records(path):
    """The attributes' flag words and the set of record types of a perf.data file."""
    with open(path, "rb") as file:
        data = file.read()
    _, _, attr_size, attrs_at, attrs_size, at, size = struct.unpack_from("<7Q", data)
    flags = [struct.unpack_from("<Q", data, attrs_at + i * attr_size + 40)[0] for i in range(attrs_size // attr_size)]
    types, end = set(), at + size
    while at < end:
        kind, _, record_size = struct.unpack_from("<IHH", data, at)
        types.add(kind)
        at += record_size
    assert at == end
    return flags, types


def test_perf_agrees_with_homeward_on_every_address_of_the_merged_file():
    hw.need_tool("perf")
    path = recorded()
    hw.run("export", "--to", "perf", "-o", "merged.data", path)
    ours, theirs = script_samples(path), perf_samples("merged.data")
    assert len(ours) == hw.stats(path)["samples"] > 2000, len(ours)
    assert sum(len(sample[4]) for sample in ours) > 10 * len(ours)
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    for our, their in zip(ours, theirs):
        assert our == their, f"{our}\n{their}"
    # and homeward itself reads it as it reads any recording of perf's
    again = script_samples("merged.data")
    for our, read in zip(ours, again):  # a sample without any stack still says where it hit
        assert read[4] == our[4] or not our[4], f"{our}\n{read}"


def test_a_merged_file_has_nothing_that_an_older_perf_does_not_know():
    path = recorded()
    hw.run("export", "--to", "perf", "-o", "merged.data", path)
    flags, types = attributes_and_records("merged.data")
    assert flags and all(not word >> 36 for word in flags), [hex(word) for word in flags]
    assert types <= {1, 2, 3, 4, 7, 9, 10, 68}, types
    assert 22 in attributes_and_records(path)[1], "the recording has no deferred callchain: what was merged?"
    # standard output gets the same file, and no directory is left behind
    os.mkdir("tmp")
    with open("copy.data", "wb") as copy:
        hw.run("export", "--to", "perf", path, stdout=copy, env={**os.environ, "TMPDIR": os.path.abspath("tmp")})
    assert attributes_and_records("copy.data") == (flags, types)
    assert os.path.getsize("copy.data") == os.path.getsize("merged.data")
    assert not os.listdir("tmp")


def test_perf_export_keeps_only_the_samples_that_are_asked_for():
    path = recorded()
    hw.run("export", "--to", "perf", "--comm", "demo", "-o", "demo.data", path)
    wanted = [sample for sample in script_samples(path) if sample[3] == "demo"]
    assert wanted and [sample[:3] for sample in script_samples("demo.data")] == [sample[:3] for sample in wanted]
    done = hw.run("export", "--to", "perf", "--symbol", "main", "-o", "x.data", path, status=2)
    assert "--symbol" in hw.one_line(done.stderr)


def test_an_unknown_format_and_a_file_that_cannot_be_written_are_said_in_one_line():
    path = recorded()
    done = hw.run("export", "--to", "svg", path, status=2)
    assert "svg" in hw.one_line(done.stderr) and "perf" in done.stderr
    for form in ("perf", "folded"):
        done = hw.run("export", "--to", form, "-o", "/nowhere/at/all", path, status=1)
        assert "/nowhere/at/all" in hw.one_line(done.stderr)


if __name__ == "__main__":
    hw.main(globals())
