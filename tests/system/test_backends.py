#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The sources of samples: each records, and where rights are missing the best one left is taken."""

import os
import shutil
import time

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
    with hw.Background([hw.workload("deep"), DEEP, 2, 30]) as process:
        time.sleep(0.3)
        hw.record("-q", "--backend", "dump", "-a", "-d", 2)
        assert any(stack[0] == "deep" and has_chain(stack) for stack in hw.folded("test.data"))
        hw.record("-q", "--backend", "dump", "-p", process.pid, "-d", 2)
        check_deep("test.data", "dump")


def test_dump_follows_processes_that_come_and_go():
    need_dump()
    for how in "exec", "fork", "vfork":
        hw.record("-q", "--backend", "dump", "--", hw.workload("spawn"), 2, 1, how)
        account = hw.stats("test.data")
        assert account["answered"] == account["asked"] > 20, (how, account)
        left = account["complete"] + account["ended"].get("exec", 0) + account["ended"].get("no-mm", 0)
        assert share(left, account["answered"]) >= 0.8, (how, account)


def test_a_stack_copy_that_is_too_short_says_so():
    need_dump()
    hw.record("-q", "--backend", "dump", "--stack-size", 512, "--", hw.workload("deep"), 100, 1, 1)
    ended = hw.stats("test.data")["ended"]
    assert share(ended.get("short-copy", 0), sum(ended.values())) > 0.9, ended
    for size in "100", "1M", "x":
        assert size in hw.run("record", "--stack-size", size, status=2).stderr


def test_without_rights_the_best_backend_left_records_a_command():
    done = as_nobody("record", "-o", "out/test.data", "--", "./deep", DEEP, 2, 2)
    account = hw.stats("out/test.data")
    assert account["backend"] in ("dump", "ptrace"), account
    assert f"with the {account['backend']} backend (not bpf: " in done.stderr, done.stderr
    check_deep("out/test.data", account["backend"])


def test_the_backend_asked_for_is_taken_or_refused():
    assert "nonsense" in hw.run("record", "--backend", "nonsense", status=2).stderr
    line = hw.one_line(as_nobody("record", "-q", "--backend", "bpf", "--", "true", status=1).stderr)
    assert "CAP_BPF" in line, line


if __name__ == "__main__":
    hw.main(globals())
