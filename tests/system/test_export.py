#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What is exported says the same as the recording: read back by readers that are not ours."""

import gzip
import json
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
        hw.record("-F", 2999, "--", "sh", "-c", f"{hw.workload('demo')} 2 & {hw.workload('longread')} 1; "
                  "for i in 1 2 3; do /bin/true; done; wait", output=path, stdout=subprocess.DEVNULL)
    return path


def script_samples(path):
    """(time in us, cpu, tid, comm, addresses) of each sample, as homeward script prints them; sorted."""
    samples = []
    for line in hw.run("script", "--no-pager", path, timeout=hw.PATIENCE).stdout.splitlines():
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
                          capture_output=True, text=True, timeout=hw.PATIENCE)
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
    assert len(ours) == hw.stats(path)["samples"] > 300, len(ours)
    assert sum(len(sample[4]) for sample in ours) > 10 * len(ours)
    assert len(ours) == len(theirs), (len(ours), len(theirs))
    for our, their in zip(ours, theirs):
        if their[3].startswith(":"):  # perf has no name for what has not called execve yet
            their = (*their[:3], our[3], their[4])
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
    kept = script_samples("demo.data")
    assert wanted, "no sample of demo"
    only = {sample[:4] for sample in wanted} ^ {sample[:4] for sample in kept}
    assert [sample[:3] for sample in kept] == [sample[:3] for sample in wanted], (len(kept), len(wanted), sorted(only)[:6])
    done = hw.run("export", "--to", "perf", "--symbol", "main", "-o", "x.data", path, status=2)
    assert "--symbol" in hw.one_line(done.stderr)


def comparable(stacks):
    """Folded stacks with code that has no symbol told by "[]": other formats know it by other names of its file."""
    result = {}
    for names, count in stacks.items():
        key = names[:1] + tuple("[]" if name.startswith("[") and ": " not in name else name for name in names[1:])
        result[key] = result.get(key, 0) + count
    return result


def text_messages(text):
    """What protoc --decode prints, as nested lists of (field, value)."""
    stack = [[]]
    for line in text.splitlines():
        line = line.strip()
        if line == "}":
            stack.pop()
        elif line.endswith(" {"):
            message = []
            stack[-1].append((line[:-2], message))
            stack.append(message)
        else:
            field, value = line.split(": ", 1)
            stack[-1].append((field, json.loads(re.sub(r"\\'", "'", value)) if value[0] == '"' else value))
    return stack[0]


def values(message, field):
    return [value for name, value in message if name == field]


def one(message, field):
    found = values(message, field)
    return int(found[0]) if found else 0


def pprof_profile(path):
    """A pprof file as protoc decodes it."""
    proto = os.path.join(hw.SOURCE, "src", "report")
    with gzip.open(path) as file:
        done = subprocess.run(["protoc", "--decode=perftools.profiles.Profile", "-I", proto, "profile.proto"],
                              input=file.read(), capture_output=True, check=True, timeout=hw.PATIENCE)
    return text_messages(done.stdout.decode())


def pprof_stacks(path):
    """The stacks of a pprof file, by samples, and the sum of its nanoseconds."""
    profile = pprof_profile(path)
    strings = values(profile, "string_table")
    functions = {one(f, "id"): strings[one(f, "name")] for f in values(profile, "function")}
    mappings = {one(m, "id"): m for m in values(profile, "mapping")}
    names = {}
    for location in values(profile, "location"):
        mapping = mappings.get(one(location, "mapping_id"))
        if mapping:
            assert one(mapping, "memory_start") <= one(location, "address") < one(mapping, "memory_limit")
        lines = values(location, "line")
        # the last line is the function itself, those before it are inlined
        names[one(location, "id")] = functions[one(lines[-1], "function_id")] if lines else "[]"
    stacks, time_ns = {}, 0
    for sample in values(profile, "sample"):
        labels = {strings[one(label, "key")]: label for label in values(sample, "label")}
        first = f"{strings[one(labels['comm'], 'str')]}-{one(labels['pid'], 'num')}/{one(labels['tid'], 'num')}"
        key = (first.replace(";", ":"), *(names[int(i)].replace(";", ":") for i in values(sample, "location_id")[::-1]))
        count, nanoseconds = map(int, values(sample, "value"))
        stacks[key] = stacks.get(key, 0) + count
        time_ns += nanoseconds
    return stacks, time_ns


def speedscope_stacks(path):
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    frames = [frame["name"].replace(";", ":") for frame in data["shared"]["frames"]]
    stacks = {}
    for profile in data["profiles"]:
        assert len(profile["samples"]) == len(profile["weights"])
        for sample, weight in zip(profile["samples"], profile["weights"]):
            key = (profile["name"].replace(";", ":"), *(frames[i] for i in sample))
            stacks[key] = stacks.get(key, 0) + weight
    return stacks


def firefox_stacks(path):
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    stacks = {}
    for thread in data["threads"]:
        strings, functions, frames = thread["stringArray"], thread["funcTable"], thread["frameTable"]
        table, chains = thread["stackTable"], []
        for prefix, frame in zip(table["prefix"], table["frame"]):
            name = strings[functions["name"][frames["func"][frame]]].replace(";", ":")
            chains.append((chains[prefix] if prefix is not None else ()) + (name,))
        first = f"{thread['name']}-{thread['pid']}/{thread['tid']}".replace(";", ":")
        times = thread["samples"]["time"]
        assert times == sorted(times)
        for stack in thread["samples"]["stack"]:
            key = (first, *(chains[stack] if stack is not None else ()))
            stacks[key] = stacks.get(key, 0) + 1
    return stacks


def test_every_format_has_the_stacks_and_counts_of_the_folded_ones():
    hw.need_tool("protoc")
    path = recorded()
    with open("/proc/kallsyms", "rb") as here, open("kallsyms", "wb") as kept:  # BPF programs come and go
        kept.write(here.read())
    symbols = ("--kallsyms", "kallsyms")
    folded = comparable(hw.folded(path, "--prefix", "tid", *symbols))
    assert sum(folded.values()) == hw.stats(path)["samples"]
    for form, read in (("speedscope", speedscope_stacks), ("firefox", firefox_stacks)):
        hw.run("export", "--to", form, "-o", form, path, *symbols)
        assert comparable(read(form)) == folded, form
    hw.run("export", "--to", "pprof", "-o", "pprof", path, *symbols)
    stacks, time_ns = pprof_stacks("pprof")
    assert comparable(stacks) == folded
    periods = hw.folded(path, "--weight", "period")
    assert time_ns == sum(periods.values()) > 0


def test_an_unknown_format_and_a_file_that_cannot_be_written_are_said_in_one_line():
    path = recorded()
    done = hw.run("export", "--to", "svg", path, status=2)
    assert "svg" in hw.one_line(done.stderr) and "perf" in done.stderr
    for form in ("perf", "folded"):
        done = hw.run("export", "--to", form, "-o", "/nowhere/at/all", path, status=1)
        assert "/nowhere/at/all" in hw.one_line(done.stderr)


def test_the_main_program_is_the_first_mapping_of_a_pprof_file():
    hw.need_recording()
    hw.record("-q", "-F", 2999, "--", "sh", "-c", f"{hw.workload('longread')} 1; {hw.workload('deep')} 20 2 2")
    hw.run("export", "--to", "pprof", "-i", "test.data", "-o", "test.pb.gz")
    profile = pprof_profile("test.pb.gz")
    strings, first = values(profile, "string_table"), values(profile, "mapping")[0]
    assert strings[one(first, "filename")] == hw.workload("deep"), strings[one(first, "filename")]


def test_the_recording_itself_is_never_the_output():
    hw.need_recording()
    hw.record("-q", "-d", 1, "--", hw.workload("deep"), 10, 1, 1, output="kept.data")
    before = open("kept.data", "rb").read()
    for command in (["export", "--to", "pprof"], ["export", "--to", "folded"], ["export", "--to", "perf"], ["flame"]):
        done = hw.run(*command, "-i", "kept.data", "-o", "./kept.data", status=1)
        assert "another output" in hw.one_line(done.stderr), done.stderr
        assert open("kept.data", "rb").read() == before, command


if __name__ == "__main__":
    hw.main(globals())
