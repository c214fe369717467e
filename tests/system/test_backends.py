#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The sources of samples: each records, and where rights are missing the best one left is taken."""

import json
import os
import re
import shutil
import subprocess
import signal

import hw

DEEP = 30
CHAIN = tuple(f"f{number:03}" for number in range(1000 - DEEP, 1000)) + ("chain_burn",)


def share(part, whole):
    return part / max(whole, 1)


def has_chain(stack):
    return any(stack[i:i + len(CHAIN)] == CHAIN for i in range(len(stack) - len(CHAIN) + 1))


def check_deep(path, backend):
    """A recording of "deep 30" by this backend: complete stacks, the chain in nearly all of them."""
    account = hw.stats(path)
    assert account["backend"] == backend, account
    assert account["samples"] > 100, account
    left = account["complete"] + account["ended"].get("exec", 0)
    assert share(left, account["asked"]) >= 0.99, account
    stacks = hw.folded(path)
    right = sum(count for stack, count in stacks.items() if has_chain(stack))
    assert share(right, sum(stacks.values())) > 0.9, (right, account, list(stacks)[:3])


def as_nobody(*arguments, **options):
    """Run homeward without any right in a directory where it may write."""
    hw.need_root()
    os.makedirs("out", exist_ok=True)
    os.chmod("out", 0o777)
    for name in "deep", "spawn":
        if not os.path.exists(name):
            shutil.copy(hw.workload(name), name)
    return hw.run_as_nobody(*arguments, **options)


def need_dump():
    if hw.run("record", "-q", "--backend", "dump", "-o", "try.data", "--", "true", status=None).returncode:
        hw.skip("perf_event_open is refused here")


def test_dump_walks_stacks_without_frame_pointers():
    need_dump()
    hw.record("-q", "--backend", "dump", "--", hw.workload("deep"), DEEP, 2, 2)
    check_deep("test.data", "dump")


def test_dump_sees_the_whole_machine_and_programs_that_run_already():
    need_dump()
    hw.need_root()
    with hw.Background([hw.workload("deep"), DEEP, 2, 600]) as process:
        hw.wait_begun(process)
        with hw.Background([hw.HOMEWARD, "record", "-q", "--backend", "dump", "-a", "-o", "test.data"]) as recorder:
            hw.wait_samples("test.data", 100, process.pid)
            recorder.send_signal(signal.SIGINT)
            assert recorder.wait(hw.PATIENCE) == 0
        assert any(stack[0] == "deep" and has_chain(stack) for stack in hw.folded("test.data"))
        hw.record_enough(500, "-q", "--backend", "dump", "-p", process.pid)
        check_deep("test.data", "dump")


def test_dump_follows_processes_that_come_and_go():
    need_dump()
    for how in "exec", "fork", "vfork":
        hw.record("-q", "--backend", "dump", "--", hw.workload("spawn"), 2, 1, how)
        account = hw.stats("test.data")
        assert account["answered"] == account["asked"], (how, account)
        # Without rights, each process begins with a new period: only those that live longer are seen, if any.
        if not account["asked"] and os.geteuid() != 0:
            continue
        assert account["asked"] > (20 if os.geteuid() == 0 else 0), (how, account)
        left = account["complete"] + account["ended"].get("exec", 0) + account["ended"].get("no-mm", 0)
        assert share(left, account["answered"]) >= 0.8, (how, account)


def test_a_stack_copy_that_is_too_short_says_so():
    need_dump()
    hw.record("-q", "--backend", "dump", "--stack-size", 512, "--", hw.workload("deep"), 100, 1, 1)
    ended = hw.stats("test.data")["ended"]
    assert share(ended.get("short-copy", 0), sum(ended.values())) > 0.9, ended
    for size in "100", "1M", "x":
        assert size in hw.run("record", "--stack-size", size, status=2).stderr


def stacks_of_handlers(backend):
    """The stacks of sigs whose samples hit a handler on the alternate stack, at least ten samples, as {stack: samples}."""
    for seconds in 2, 10, 30:
        hw.record("-q", "--backend", backend, "--", hw.workload("sigs"), seconds)
        stacks = {stack: count for stack, count in hw.folded("test.data").items() if "outer" in stack}
        if sum(stacks.values()) >= 10:
            return stacks
    raise AssertionError(f"not ten samples in handlers: {stacks}")


def test_ptrace_walks_from_an_alternate_signal_stack_to_the_one_it_interrupted():
    stacks = stacks_of_handlers("ptrace")
    right = sum(count for stack, count in stacks.items() if "main" in stack)
    assert share(right, sum(stacks.values())) > 0.9, stacks


def test_dump_has_one_stack_only_and_says_where_it_ends():
    need_dump()
    stacks = stacks_of_handlers("dump")
    right = sum(count for stack, count in stacks.items() if stack[1] == "[incomplete: short-copy]" and "main" not in stack)
    assert share(right, sum(stacks.values())) > 0.9, stacks


def fuse_program(*arguments):
    """A program that runs from FUSE, as hw.Background, and its process ID; see fuse_program.py."""
    hw.need_root()
    if not os.path.exists("/dev/fuse"):
        hw.skip("needs /dev/fuse")
    script = os.path.join(hw.SOURCE, "tests", "system", "fuse_program.py")
    return hw.Background(["/usr/bin/python3", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return int(file.read().rpartition(") ")[2].split()[11])


def backends_for_processes():
    """Those that work here, two at most: what reads files is shared by all but bpf."""
    return [backend["name"] for backend in hw.doctor()["backends"] if backend["command"]][:2]


def test_programs_on_a_file_system_that_may_not_answer_are_walked():
    with fuse_program(hw.workload("deep"), DEEP, 2, 600) as program:
        pid = program.stdout.readline().strip()
        for backend in backends_for_processes():
            for _ in range(5):  # on a busy machine the file system may answer too late to be waited for
                hw.record("-q", "--backend", backend, "-p", pid, "-d", 3)
                account = hw.stats("test.data")
                if account["answered"] > 10 and share(account["complete"], account["answered"]) > 0.9:
                    break
            else:
                raise AssertionError(account)


def test_a_file_system_that_does_not_answer_holds_nobody_up():
    with fuse_program(hw.workload("deep"), DEEP, 2, 600) as program:
        pid = program.stdout.readline().strip()
        hw.until(lambda: cpu_ticks(pid) > 30)  # it needs nothing of its file any more
        print("", file=program.stdin, flush=True)
        assert program.stdout.readline() == "silent\n"
        for backend in backends_for_processes():
            # More than the time that a file is waited for, less than it would be for each of several.
            hw.record("-q", "--backend", backend, "-p", pid, "-d", 3, timeout=240)
            account = hw.stats("test.data")
            assert account["complete"] < account["answered"], account


def test_without_rights_the_best_backend_left_records_a_command():
    done = as_nobody("record", "-o", "out/test.data", "--", "./deep", DEEP, 2, 2)
    account = hw.stats("out/test.data")
    assert account["backend"] in ("dump", "ptrace"), account
    assert f"with the {account['backend']} backend (not bpf: " in done.stderr, done.stderr
    check_deep("out/test.data", account["backend"])


def test_where_perf_event_open_is_forbidden_ptrace_is_taken():
    done = as_nobody("record", "-o", "out/test.data", "--", "./deep", DEEP, 2, 3,
                     preexec_fn=hw.forbid(hw.BPF, hw.PERF_EVENT_OPEN))
    check_deep("out/test.data", "ptrace")
    assert "with the ptrace backend (not bpf: " in done.stderr and "dump: " in done.stderr, done.stderr
    assert "only the command's own processes" in hw.run("report", "-i", "out/test.data").stdout
    told = re.search(r"for (\d+) us on average, (\d+\.\d\d) s in all", done.stderr)
    cost = f"stopping cost {told.group(1)} us a sample, {told.group(2)} s in all"
    assert cost in hw.run("report", "-i", "out/test.data").stdout, (cost, done.stderr)
    assert "only the command's own processes" in done.stderr and "stopped its thread" in done.stderr, done.stderr


def test_where_bpf_is_forbidden_dump_is_taken():
    need_dump()
    done = hw.run("record", "-o", "test.data", "--", hw.workload("deep"), DEEP, 2, 2, preexec_fn=hw.forbid(hw.BPF))
    assert "(not bpf: " in done.stderr, done.stderr
    check_deep("test.data", hw.stats("test.data")["backend"])


def test_where_everything_is_forbidden_record_says_so():
    done = hw.run("record", "-q", "--", "true", status=1, preexec_fn=hw.forbid(hw.BPF, hw.PERF_EVENT_OPEN, hw.PTRACE))
    hw.one_line(done.stderr)
    told = json.loads(hw.run("doctor", "--json", status=1,
                             preexec_fn=hw.forbid(hw.BPF, hw.PERF_EVENT_OPEN, hw.PTRACE)).stdout)
    assert not told["record"] and told["backend"] is None, told
    assert all(backend["missing"] for backend in told["backends"]), told["backends"]


def test_doctor_chooses_what_record_takes():
    told = json.loads(hw.run("doctor", "--json").stdout)
    names = [backend["name"] for backend in told["backends"]]
    assert names == ["bpf", "native", "dump", "ptrace"], names
    for backend in told["backends"]:
        assert backend["machine"] or backend["missing"], backend
    hw.record("-q", "--", "true")
    assert hw.stats("test.data")["backend"] == told["backend"], told
    told = json.loads(hw.run("doctor", "--json", preexec_fn=hw.forbid(hw.BPF, hw.PERF_EVENT_OPEN)).stdout)
    assert told["backend"] == "ptrace" and told["record"], told


def test_ptrace_passes_exit_status_signals_and_stops_through():
    for script, status in ("exit 42", 42), ("kill -TERM $$", 143), ("kill -KILL $$", 137):
        hw.run("record", "-q", "--backend", "ptrace", "-o", "test.data", "--", "sh", "-c", script, status=status)
    hw.run("record", "-q", "--backend", "ptrace", "-o", "test.data", "--", "./missing", status=127)
    # A handler runs, and a stopped child stays stopped until it is continued.
    script = ("trap 'echo caught' USR1; kill -USR1 $$; sleep 600 & kill -STOP $!; "
              "until grep -qi 'State:.t' /proc/$!/status; do sleep 0.1; done; sleep 0.3; "
              "grep -qi 'State:.t' /proc/$!/status && echo stopped; kill -CONT $!; kill $!; wait $!; echo $?")
    done = hw.run("record", "-q", "--backend", "ptrace", "-o", "test.data", "--", "sh", "-c", script)
    assert done.stdout.split() == ["caught", "stopped", "143"], done.stdout


def test_ptrace_stands_storms_of_processes_and_threads():
    for how in "exec", "fork", "vfork":
        hw.run("record", "-q", "--backend", "ptrace", "-o", "test.data", "--", hw.workload("spawn"), 2, 2, how)
        hw.stats("test.data")
    hw.run("record", "-q", "--backend", "ptrace", "-o", "test.data", "--", hw.workload("execself"), 30)
    hw.run("record", "-q", "--backend", "ptrace", "-o", "test.data", "--", hw.workload("work"), "threads", 300)
    hw.run("record", "-q", "--backend", "ptrace", "-o", "test.data", "--", hw.workload("work"), "processes", 300)


def test_ptrace_lets_go_of_what_goes_on():
    with hw.Background([hw.workload("deep"), DEEP, 2, 600]) as process:
        hw.wait_begun(process)
        hw.record_enough(300, "-q", "--backend", "ptrace", "-p", process.pid)
        check_deep("test.data", "ptrace")
        assert process.poll() is None
        with open(f"/proc/{process.pid}/status", encoding="utf-8") as file:
            assert "TracerPid:\t0\n" in file.read()
    line = hw.one_line(hw.run("record", "-q", "--backend", "ptrace", "-a", "-d", 1, status=1).stderr)
    assert "whole machine" in line, line


def test_ptrace_counts_cpu_time():
    # One thread computes, the other sleeps: only the first is seen, for about as long as it computed.
    script = f"{hw.workload('spin')} 1000 & sleep 2; wait"
    hw.record("-q", "--backend", "ptrace", "-F", 100, "--", "sh", "-c", script)
    stacks = hw.folded("test.data")
    spinning = sum(count for stack, count in stacks.items() if stack[0] == "spin")
    asleep = sum(count for stack, count in stacks.items() if stack[0] == "sleep")
    assert spinning >= 20 and asleep <= 3, (spinning, asleep)
    assert spinning <= 220, spinning  # of some 100: never more than there was CPU time


def test_in_a_pid_namespace_processes_are_not_mixed_up():
    hw.need_root()
    inside = "--pid", "--fork", "--mount-proc", hw.HOMEWARD, "record", "-q", "-o", "test.data"
    line = hw.one_line(hw.run(*inside, "--backend", "bpf", "--", "true", program="unshare", status=1).stderr)
    assert "PID namespace" in line, line
    hw.run(*inside, "--", hw.workload("spin"), 1000, program="unshare")
    assert any(stack[0] == "spin" for stack in hw.folded("test.data"))


def test_the_backend_asked_for_is_taken_or_refused():
    assert "nonsense" in hw.run("record", "--backend", "nonsense", status=2).stderr
    line = hw.one_line(as_nobody("record", "-q", "--backend", "bpf", "--", "true", status=1).stderr)
    assert "CAP_BPF" in line, line


if __name__ == "__main__":
    hw.main(globals())
