#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What goes wrong around a recorder: after each, the account adds up and the file reads.

make check runs the short form, make faults (HW_LONG=1) the long one, with what would disturb others beside it.
"""

import contextlib
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

import hw  # noqa: E402

LONG = os.environ.get("HW_LONG") == "1"
CPU1 = "/sys/devices/system/cpu/cpu1/online"
MEMORY = "/sys/fs/cgroup/memory"


def only_long(test):
    """A test of make faults only: it takes long, or changes something for the whole machine."""
    if not LONG:
        test.__name__ = "left_out"
    return test


def readable(path):
    """The account of a recording that every reader can read; hw.stats has checked its sums."""
    account = hw.stats(path)
    assert hw.run("report", path).stdout
    assert sum(account["refused"].values()) == account["user_samples"] - account["asked"], account
    return account


def own_kib(pid):
    """Resident memory without what is mapped: unwind tables have a cap of their own."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"RssAnon:\s+(\d+)", file.read()).group(1))


def stop(recorder, how=signal.SIGINT):
    recorder.send_signal(how)
    _, said = recorder.communicate(timeout=hw.PATIENCE)
    assert recorder.returncode == 0, (recorder.returncode, said)
    return (said or b"").decode()


def recorder(*arguments, output="test.data"):
    return hw.Background([hw.HOMEWARD, "record", "--standalone", "-o", output, *arguments], stderr=subprocess.PIPE)


def test_a_stopped_reader_loses_records_and_counts_them():
    with hw.Background([hw.workload("deep"), 60, 2, 600]), recorder("-a", "-F", 20000) as process:
        hw.wait_sampling(process)
        process.send_signal(signal.SIGSTOP)
        time.sleep(6 if LONG else 3)
        process.send_signal(signal.SIGCONT)
        time.sleep(1)
        said = stop(process)
    account = readable("test.data")
    lost = account["lost"]
    assert lost["samples"] > 1000, account
    assert f"LOST {sum(lost.values())} records" in said or "LOST" in said, said
    # Samples whose callchain found no room are told as lost, not as something else.
    unanswered = account["unanswered"]
    assert sum(unanswered.values()) <= lost["callchains"] * 30 + 200, account


def test_an_output_that_is_removed_is_told_at_the_end():
    with hw.Background([hw.workload("spin"), 20000]), recorder("-a") as process:
        hw.wait_sampling(process)
        os.unlink("test.data")
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=hw.PATIENCE)
        assert process.returncode == 1, (process.returncode, said)
        assert "test.data" in said.decode().splitlines()[-1] and "removed" in said.decode(), said
    assert not os.path.exists("test.data")


def test_killed_at_any_moment_the_file_reads():
    chance = random.Random(7)
    whole = 0
    with hw.Background([hw.workload("deep"), 30, 2, 600]):
        for number in range(100 if LONG else 3):
            path = f"{number}.data"
            with recorder("-a", "-F", 4999, "-o", path) as process:
                if number % 4:
                    hw.wait_sampling(process)
                time.sleep(chance.uniform(0, 1.5))
                process.kill()
                process.wait()
            if not os.path.exists(path) or not os.path.getsize(path):
                continue  # it had not begun
            account = readable(path)
            whole += account["samples"] > 0
            os.unlink(path)
    assert whole >= (30 if LONG else 1), whole


def test_a_small_cap_on_tables_costs_stacks_not_more():
    with hw.Background(["/usr/bin/python3", "-c", "while True: sorted(range(1000))"]):
        hw.record("-q", "-a", "-F", 1999, "-d", 1, "--table-memory", "64K", timeout=200)
    account = readable("test.data")
    assert account["samples"] > 100 and account["complete"] < account["answered"], account
    assert set(account["ended"]) & {"miss", "no-table"}, account
    assert account["unanswered"].get("lost", 0) <= account["lost"]["callchains"], account


def test_no_room_for_tasks_is_counted():
    source = os.path.join(hw.SOURCE, "tests", "zoo", "programs", "many_threads.c")
    subprocess.run(["gcc", "-O2", "-pthread", "-D_GNU_SOURCE", "-o", "many_threads", source], check=True)
    hw.record("-q", "--walk", "deferred", "--task-slots", 50, "--", "./many_threads", 3, 1000, timeout=120)
    account = readable("test.data")
    assert account["refused"].get("no-slot", 0) > 100, account
    assert account["complete"] > 0, account


@contextlib.contextmanager
def memory_group(limit):
    """A memory cgroup (v1) with a limit; its directory."""
    if not os.path.exists(os.path.join(MEMORY, "cgroup.procs")):
        hw.skip("no cgroup v1 with a memory controller here")
    path = os.path.join(MEMORY, f"homeward-{os.getpid()}")
    os.mkdir(path)
    try:
        with open(os.path.join(path, "memory.limit_in_bytes"), "w", encoding="ascii") as file:
            file.write(str(limit))
        yield path
    finally:
        hw.until(lambda: is_ended(path))


def is_ended(group):
    """End what is left in a group of ours, and the group with it; true if it is gone."""
    with open(os.path.join(group, "cgroup.procs"), encoding="ascii") as file:
        for pid in map(int, file.read().split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OSError):  # EBUSY: somebody is still on the way out
        os.rmdir(group)
    return not os.path.exists(group)


def failures(group):
    """How often the limit was in the way so far."""
    with open(os.path.join(group, "memory.failcnt"), encoding="ascii") as file:
        return int(file.read())


def inside(group, *command):
    return ["sh", "-c", f'echo $$ >{group}/cgroup.procs && exec "$@"', "sh", *command]


def test_a_program_at_its_memory_limit_is_recorded():
    # Its slot is charged to the machine or refused; either way every sample has its place in the account. The kernel kills
    # what eats too much, so another follows: the group is at its limit for as long as is recorded.
    eat = "a = []\nwhile True: a.append(bytearray(1 << 20))"
    with memory_group(32 << 20) as group:
        again = inside(group, "sh", "-c", f"while :; do /usr/bin/python3 -c '{eat}'; done")
        with hw.Background(again, stderr=subprocess.DEVNULL) as process:
            hw.until(lambda: failures(group) > 0)
            before = failures(group)
            hw.record_enough(1000, "-q", "-a", "-F", 1999, "--walk", "deferred", seconds=2)
            hw.until(lambda: failures(group) > before)
            process.kill()
            process.wait()
    assert readable("test.data")["samples"] > 100


def test_a_recorder_at_its_memory_limit_ends_or_goes_on_and_its_file_reads():
    with memory_group(24 << 20) as group:
        command = [hw.HOMEWARD, "record", "--standalone", "-q", "-a", "-F", "4999", "-d", "3", "-o", "test.data"]
        with hw.Background(inside(group, *command), stderr=subprocess.PIPE) as process:
            _, said = process.communicate(timeout=hw.PATIENCE)
        if process.returncode == 1:
            hw.one_line(said.decode())
        assert process.returncode in (0, 1, -signal.SIGKILL), (process.returncode, said)
    if os.path.exists("test.data") and os.path.getsize("test.data"):
        readable("test.data")


def set_online(value):
    with open(CPU1, "w", encoding="ascii") as file:
        file.write(value)


def test_a_cpu_that_goes_and_comes_back_is_sampled_again():
    if not os.path.exists(CPU1):
        hw.skip("CPU 1 cannot be taken offline here")
    try:
        with hw.Background([hw.workload("deep"), 30, 4, 600]), recorder("-a", "-F", 999) as process:
            hw.wait_sampling(process)
            time.sleep(1)
            set_online("0")
            time.sleep(1)
            set_online("1")
            back = time.monotonic_ns()
            recording = hw.Growing("test.data")
            hw.until(lambda: sum(one.cpu == 1 and one.time_ns > back for one in recording.samples()) > 200)
            stop(process)
    finally:
        set_online("1")
    readable("test.data")


def test_two_recorders_at_once_both_see_everything():
    with hw.Background([hw.workload("deep"), 30, 2, 600]) as work:
        with recorder("-p", work.pid, output="one.data") as one:
            with recorder("-p", work.pid, output="two.data") as two:
                hw.wait_sampling(one)
                hw.wait_sampling(two)
                hw.wait_samples("two.data", 300)
                stop(two)
            stop(one)
    for path in "one.data", "two.data":
        account = readable(path)
        assert account["complete"] > 100 and account["complete"] >= 0.99 * account["answered"], account


def cpu_of_children():
    """Seconds on a CPU of all that was started here and has ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_hostile_file_that_is_mapped_costs_its_own_stacks_only():
    library = os.path.join(hw.BUILD, "tests", "walk", "libendless.so")
    script = f"import ctypes, time\nctypes.CDLL({library!r})\nend = time.time() + 600\nwhile time.time() < end: pass"
    with hw.Background(["/usr/bin/python3", "-c", script]) as hostile, \
            hw.Background([hw.workload("deep"), 30, 1, 600]) as deep:
        hw.until(lambda: library in open(f"/proc/{hostile.pid}/maps", encoding="utf-8").read())
        before = cpu_of_children()
        hw.record("-q", "--no-cache", "-p", f"{hostile.pid},{deep.pid}", "-d", 2, timeout=800)
        assert cpu_of_children() - before < 45, "the file held it up"  # compiled without a limit it takes a minute
        assert deep.poll() is None
    account = readable("test.data")
    assert account["complete"] >= 0.9 * account["answered"], account


@only_long
def test_many_short_recordings_leave_nothing_behind():
    def objects():
        return subprocess.run(["bpftool", "map", "list"], text=True, capture_output=True, check=False).stdout.count("name")

    hw.run("record", "--standalone", "-q", "-d", 0.2)
    before = objects()
    for _ in range(40):
        hw.run("record", "--standalone", "-q", "-d", 0.2)
    hw.until(lambda: objects() <= before + 200, 30)  # others may record meanwhile
    assert sorted(os.listdir(".")) == ["homeward.data", "homeward.data.old"], os.listdir(".")


def test_memory_stays_flat_over_a_long_recording():
    # As many samples as two hours at 99 Hz on one CPU have: 712,800. Of one process: what others start meanwhile has
    # files whose tables are compiled, and how many is their affair.
    with hw.Background([hw.workload("deep"), 30, 2, 300]) as work, \
            recorder("-p", work.pid, "-F", 20000) as process:
        hw.wait_sampling(process)
        time.sleep(3)
        early = own_kib(process.pid)
        time.sleep(40 if LONG else 3)
        late = own_kib(process.pid)
        stop(process)
    print(f"resident, without tables: {early} KiB after 3 s, {late} KiB at the end")
    assert late < early * 1.25 + 8192, (early, late)
    if not LONG:
        readable("test.data")


@only_long  # the clock of the whole machine is wrong for a moment
def test_a_stepped_clock_changes_nothing():
    with hw.Background([hw.workload("deep"), 30, 1, 60]) as work, recorder("-p", str(work.pid)) as process:
        hw.wait_sampling(process)
        time.sleep(1)
        real, steady = time.time(), time.monotonic()
        time.clock_settime(time.CLOCK_REALTIME, real + 120)
        try:
            time.sleep(0.3)
        finally:
            time.clock_settime(time.CLOCK_REALTIME, real + time.monotonic() - steady)
        time.sleep(1)
        stop(process)
    account = readable("test.data")
    assert 1e9 < account["duration_ns"] < 20e9, account
    assert account["complete"] >= 0.98 * account["answered"], account


@only_long
def test_a_full_disk_at_any_size_leaves_a_file_that_reads():
    os.mkdir("small")
    for size in 500, 1200, 2500, 4000:
        script = (f'mount -t tmpfs -o size={size}k none small && "$@" record --standalone -a -q -F 20000 -d 20 '
                  '-o small/full.data; status=$?; cp small/full.data kept.data; exit $status')
        done = hw.run("-m", "sh", "-c", script, "sh", hw.HOMEWARD, program="unshare", status=1)
        assert "No space left" in hw.one_line(done.stderr), done.stderr
        hw.stats("kept.data")


@only_long
def test_a_quota_leaves_a_file_that_reads():
    hw.need_tool("mkfs.btrfs")
    script = ("set -e; truncate -s 300M image; mkfs.btrfs -q image; mkdir disk; mount -o loop image disk; "
              "btrfs quota enable disk; btrfs subvolume create disk/own >/dev/null; "
              "btrfs qgroup limit 3M disk/own; set +e; \"$@\" record --standalone -a -q -F 20000 -d 20 "
              "-o disk/own/full.data; status=$?; cp disk/own/full.data kept.data; umount disk; exit $status")
    done = hw.run("-m", "sh", "-c", script, "sh", hw.HOMEWARD, program="unshare", status=1, timeout=120)
    assert "quota" in hw.one_line(done.stderr), done.stderr
    readable("kept.data")


if __name__ == "__main__":
    if os.geteuid() != 0 or hw.doctor()["blocker"]:
        print("needs root on a machine that can record")
        sys.exit(77)
    hw.main({name: test for name, test in globals().items() if getattr(test, "__name__", "") != "left_out"})
