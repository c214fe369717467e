#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Recordings that perf made: what homeward reads from them, against what perf itself reads."""

import collections
import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time

import hw

FIXTURE = os.path.join(hw.SOURCE, "tests", "fixtures", "perf-7.3.4")
HEAD = re.compile(r"\S.*?\s(\d+)\s+(?:\[\d+\]\s+)?([\d.]+):")


def fixture_text(name):
    with gzip.open(os.path.join(FIXTURE, name), "rt", encoding="utf-8") as file:
        return file.read()


def samples(text):
    """(tid, time) to the stacks of its samples: lists of the lines under each head, without their blanks."""
    found, stack = collections.defaultdict(list), None
    for line in text.splitlines():
        head = HEAD.match(line)
        if head:
            stack = []
            found[head.group(1), head.group(2)].append(stack)
        elif line.strip() and stack is not None:
            stack.append(line.strip())
    return found


def addresses(found):
    return {key: sorted(tuple(line.split()[0] for line in stack) for stack in stacks) for key, stacks in found.items()}


def perf_record(*arguments, output="perf.data", **options):
    perf = hw.need_tool("perf")
    hw.need_root()
    hw.need_perf_event_open()
    # --buildid-mmap: perf 6.1 crashes where another profiler asks for build IDs at the same time
    done = subprocess.run([perf, "record", "--buildid-mmap", "-q", "-o", output, *map(str, arguments)], check=False,
                          capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout


def due(said, rate):
    """Half the samples that deep's CPU time gives at this rate, by what it printed: holds on a busy machine, too."""
    least = int(re.search(r"cpu_ns (\d+)", said).group(1)) * rate // 2_000_000_000
    assert least > 5, said
    return least


def perf_script(path, *arguments):
    done = subprocess.run([hw.need_tool("perf"), "script", "-i", path, "--no-inline", "--max-stack", "1024",
                           *arguments], check=True,
                          capture_output=True, text=True)
    return samples(done.stdout)


def homeward_script(path, *arguments, **options):
    return samples(hw.run("script", *arguments, "-i", path, timeout=hw.PATIENCE, **options).stdout)


# ---- a recording of perf 7.3.4 with the kernel's own deferral ----


def test_every_sample_that_perf_7_merges_has_the_same_addresses():
    theirs = addresses(samples(fixture_text("perf-script.txt.gz")))
    ours = addresses(homeward_script(os.path.join(FIXTURE, "perf-defer.data")))
    assert sum(map(len, ours.values())) == 547 == sum(map(len, theirs.values()))
    different = [key for key in theirs if theirs[key] != ours.get(key)]
    assert not different, [(key, theirs[key], ours.get(key)) for key in different[:3]]


def test_only_the_cookie_without_a_record_stays_open():
    account = hw.stats(os.path.join(FIXTURE, "perf-defer.data"))
    assert (account["samples"], account["asked"], account["callchains"]) == (547, 525, 133), account
    assert account["asked"] - account["answered"] == 1, account


def test_unmerged_samples_and_callchains_are_those_that_merging_joins():
    path = os.path.join(FIXTURE, "perf-defer.data")
    text = hw.run("script", "--no-merge", "-F", "comm,tid,time,ip,sym,dso", "-i", path).stdout
    callchains, asked, merged = {}, [], collections.Counter()
    for block in text.strip().split("\n\n"):
        head, *stack = block.split("\n")
        stack = [line.split()[0] for line in stack]
        tid, when = HEAD.match(head).groups()
        alone = re.search(r"DEFERRED CALLCHAIN \[cookie: ([0-9a-f]+)\]$", head)
        if alone:
            assert (tid, alone.group(1)) not in callchains, head
            callchains[tid, alone.group(1)] = stack
        elif block.endswith("(cookie) ([unknown])"):
            asked.append((tid, when, stack))
        else:
            merged[tid, when, tuple(stack)] += 1
    assert (len(callchains), len(asked)) == (133, 525), (len(callchains), len(asked))
    for tid, when, stack in asked:
        callchain = callchains.get((tid, stack[-1]))
        merged[tid, when, tuple(stack[:-1] + callchain if callchain else stack)] += 1
    ours = homeward_script(path, "-F", "comm,tid,time,ip")
    assert merged == collections.Counter((*key, tuple(line.split()[0] for line in stack))
                                         for key, stacks in ours.items() for stack in stacks)


def test_unmerged_all_is_as_perf_7_has_it():
    # But for names: perf forgets that of a thread that has exited.
    fields = "comm,tid,cpu,time,ip"
    ours = hw.run("script", "--no-merge-callchains", "-F", fields, "-i", os.path.join(FIXTURE, "perf-defer.data")).stdout
    ours, theirs = ([re.sub(r"^\S+ +(?=\d+ \[)", "", " ".join(line.split())) for line in text.splitlines()]
                    for text in (ours, fixture_text("perf-script-no-merge.txt.gz")))
    assert len(theirs) > 10000 and sum("DEFERRED CALLCHAIN" in line for line in theirs) == 133
    assert ours == theirs, next(pair for pair in zip(ours, theirs) if pair[0] != pair[1])


def records(text):
    """Offset to the lines of each record."""
    found, lines = {}, None
    for line in text.splitlines():
        head = re.match(r"(0x[0-9a-f]+)@", line)
        if head:
            lines = found[head.group(1)] = []
        if lines is not None:
            lines.append(line.rstrip())
    return found


def test_every_raw_record_is_decoded_as_perf_7_decodes_it():
    theirs = records(fixture_text("perf-script-D.txt.gz"))
    ours = records(hw.run("script", "-D", os.path.join(FIXTURE, "perf-defer.data")).stdout)
    assert len(theirs) == 968 and set(ours) == set(theirs)
    for offset, lines in ours.items():
        while not lines[-1]:
            lines.pop()
        assert lines == theirs[offset][:len(lines)], (lines, theirs[offset])


# ---- recordings of the perf that is installed ----


def places(found):
    """As addresses(), of user space only what is in the page: the rest perf 6.1 gives as a file's own address."""
    return {key: sorted(tuple(a if a.startswith("ffff") else a[-3:] for a in stack) for stack in stacks)
            for key, stacks in addresses(found).items()}


def compare_addresses(path, least):
    theirs = places(perf_script(path, "-F", "comm,tid,time,ip"))
    ours = places(homeward_script(path, "-F", "comm,tid,time,ip"))
    assert sum(map(len, ours.values())) >= least, len(ours)
    different = [key for key in set(theirs) | set(ours) if theirs.get(key) != ours.get(key)]
    assert not different, [(key, theirs.get(key), ours.get(key)) for key in different[:3]]


def test_frame_pointer_recordings_have_perfs_addresses():
    said = perf_record("-F", 999, "-g", "--", hw.workload("deep"), 30, 2, 1)
    compare_addresses("perf.data", due(said, 999))


def test_compressed_recordings_are_read():
    said = perf_record("-F", 999, "-g", "-z", "--", hw.workload("deep"), 30, 2, 1)
    compare_addresses("perf.data", due(said, 999))


def test_recordings_of_several_events_and_odd_samples_are_read():
    said = perf_record("-e", "cpu-clock,task-clock,page-faults,context-switches", "-F", 499, "-g", "-d", "--phys-data",
                       "--sample-cpu", "-T", "-W", "--", hw.workload("deep"), 30, 2, 1)
    theirs = perf_script("perf.data", "-F", "comm,tid,time,event,ip")
    ours = homeward_script("perf.data", "-F", "comm,tid,time,event,ip")
    assert places(theirs) == places(ours) and len(ours) > due(said, 499), len(ours)
    done = hw.run("report", "--event", "page-faults", "-i", "perf.data")
    assert "page-faults" in done.stdout + done.stderr


def functions(found):
    """The names of each stack, without offsets; None where perf has none."""
    name = re.compile(r"[0-9a-f]+ (.*?)(?:\+0x[0-9a-f]+)? \(")
    return {key: sorted([match.group(1) if match else None for match in map(name.match, stack)] for stack in stacks)
            for key, stacks in found.items()}


def compare_functions(theirs, ours, least):
    theirs, ours = functions(theirs), functions(ours)
    assert set(theirs) == set(ours), (len(theirs), len(ours))
    chains = [key for key in theirs if any("chain_burn" in stack for stack in theirs[key])]
    same = sum(theirs[key] == ours[key] for key in chains)
    example = next(((theirs[key], ours[key]) for key in chains if theirs[key] != ours[key]), None)
    assert len(chains) > least and same == len(chains), (same, len(chains), example)


def test_stack_copies_are_walked_as_perf_walks_them():
    said = perf_record("-F", 999, "--call-graph", "dwarf,16384", "--", hw.workload("deep"), 30, 1, 1)
    account = hw.stats("perf.data")
    assert account["asked"] == account["answered"] == account["complete"] > due(said, 999), account
    # perf shows a frame's functions by DWARF: inlined ones are off, and so is what homeward may know of them
    compare_functions(perf_script("perf.data"), homeward_script("perf.data", "--no-inline"), due(said, 999))


def test_stack_copies_that_are_too_short_say_so():
    said = perf_record("-F", 999, "--call-graph", "dwarf,512", "--", hw.workload("deep"), 60, 1, 1)
    account = hw.stats("perf.data")
    assert account["ended"].get("short-copy", 0) > 0.9 * account["answered"], account
    assert account["answered"] > due(said, 999), account


def test_files_that_are_missing_or_not_the_right_ones_are_named_with_what_they_cost():
    shutil.copy(hw.workload("deep"), "deep")
    perf_record("-F", 999, "--call-graph", "dwarf,16384", "--", "./deep", 30, 1, 1)
    nowhere = {**os.environ, "HOME": os.path.abspath("nowhere")}  # perf keeps copies in ~/.debug
    whole = json.loads(hw.run("stats", "--json", "perf.data", env=nowhere).stdout)
    assert "missing" not in whole and whole["complete"] > 100, whole
    for change, words in (lambda: os.unlink("deep"), "gone"), (lambda: shutil.copy(hw.workload("spin"), "deep"), "replaced"):
        change()
        account = json.loads(hw.run("stats", "--json", "perf.data", env=nowhere).stdout)
        named = account["missing"][0]
        assert named["path"] == os.path.abspath("deep") and words in named["why"], account
        assert named["walks"] == account["answered"] - account["complete"] > 100, account
        for command in "stats", "report":
            text = hw.run(command, "perf.data", env=nowhere).stdout
            assert "Stacks that end for want of a file" in text and words in text, text[-1500:]
            assert f"{named['walks']:,}" in text, text[-1500:]


def test_pipes_are_read():
    perf = hw.need_tool("perf")
    hw.need_root()
    hw.need_perf_event_open()
    for options in ["-g"], ["--call-graph", "dwarf,8192"], ["-g", "-z"]:
        command = [perf, "record", "-q", "-F", "999", *options, "-o", "-", "--", hw.workload("deep"), "20", "1", "1"]
        with open("pipe.data", "wb") as file:
            done = subprocess.run(command, check=True, stdout=file, stderr=subprocess.PIPE, text=True)
        size = os.path.getsize("pipe.data")
        with subprocess.Popen(["cat", "pipe.data"], stdout=subprocess.PIPE) as cat:
            piped = hw.run("report", "-i", "-", stdin=cat.stdout)
        assert piped.stderr == "" and "chain_burn" in piped.stdout, piped
        # perf has the command print to its own standard error where the recording goes to standard output
        assert hw.stats("pipe.data")["samples"] > due(done.stderr, 999)
        # one that ends early: what came is shown, and that it was not all is said
        os.truncate("pipe.data", size * 2 // 3 + 1)
        with subprocess.Popen(["cat", "pipe.data"], stdout=subprocess.PIPE) as cat:
            cut = hw.run("stats", "-i", "-", stdin=cat.stdout)
        assert "ends inside" in hw.one_line(cut.stderr), cut.stderr


def test_a_pipe_with_nothing_in_it_is_told():
    done = hw.run("report", "-i", "-", status=1)
    assert "standard input" in hw.one_line(done.stderr)


# ---- our recorder, killed ----


def test_a_killed_recorder_leaves_a_readable_file():
    # many more moments: tests/perfdata/test_writer.c
    hw.need_recording()
    random.seed(time.time_ns())
    read = number = 0
    with hw.Background([hw.workload("deep"), 30, 1, 600]):
        while number < 4 or (read < 2 and number < 40):
            path, options = f"killed{number}.data", ["-z"] if number % 2 else []
            with hw.Background([hw.HOMEWARD, "record", "-a", "-q", "-F", 4999, "-o", path, *options]) as recorder:
                hw.until(lambda path=path: os.path.exists(path))
                time.sleep(random.random() * 0.6)
                recorder.send_signal(signal.SIGKILL)
            number += 1
            if os.path.getsize(path) == 0:
                hw.run("stats", path, status=1)  # killed before it wrote anything: one line says so
                continue
            done = hw.run("stats", "--json", path)
            assert "killed" in path and done.stdout.startswith("{"), done
            info = hw.run("report", path)
            read += "samples" in info.stdout + info.stderr
            if number < 3:
                continue
            # perf before 6.19 knows no deferred callchains and refuses such files, closed or not; merged it reads them
            hw.run("export", "--to", "perf", "-o", "merged.data", path)
            homeward, perf = addresses(homeward_script(path, "--no-pager")), addresses(perf_script("merged.data"))
            assert sum(map(len, perf.values())) == json.loads(done.stdout)["samples"] == sum(map(len, homeward.values()))
    assert read >= 2, read


if __name__ == "__main__":
    hw.main(globals())
