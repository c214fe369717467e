#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""homeward record, from its options to what the readers see."""

import contextlib
import os
import pty
import re
import shutil
import signal
import stat
import struct
import subprocess
import time

import hw


def share(part, whole):
    return part / max(whole, 1)


def chain(depth):
    """The functions of a workload's chain of this depth, outermost first."""
    return tuple(f"f{number:03}" for number in range(1000 - depth, 1000))


def samples_with(stacks, part):
    """Samples whose stack contains this run of functions."""
    return sum(count for stack, count in stacks.items()
               if any(stack[i:i + len(part)] == part for i in range(len(stack) - len(part) + 1)))


def test_deep_stacks_without_frame_pointers_are_complete():
    hw.need_recording()
    for depth in 30, 200:
        hw.record("-q", "-F", 999, "--", hw.workload("deep"), depth, 2, 3)
        account = hw.stats("test.data")
        assert account["asked"] > 300, account
        assert share(account["answered"], account["asked"]) >= 0.999, account
        # A sample inside the execve that starts it has no stack of the new program: it ends "exec".
        assert share(account["complete"] + account["ended"].get("exec", 0), account["answered"]) >= 0.999, account
        assert account["ended"].get("exec", 0) <= 5, account
        stacks = hw.folded("test.data")
        right = samples_with(stacks, chain(depth) + ("chain_burn",))
        assert share(right, sum(stacks.values())) > 0.95, (depth, right, sum(stacks.values()))


def test_the_deepest_stacks_are_cut_and_say_so():
    hw.need_recording()
    hw.record("-q", "--", hw.workload("deep"), 700, 1, 2)
    account = hw.stats("test.data")
    assert share(account["ended"].get("truncated", 0), account["answered"]) > 0.9, account
    longest = max(hw.folded("test.data"), key=len)
    assert len(longest) >= 510, len(longest)


def test_a_process_that_runs_already_is_complete():
    hw.need_recording()
    with hw.Background([hw.workload("deep"), 60, 2, 600]) as process:
        hw.wait_begun(process)
        hw.record_enough(500, "-q", "-p", process.pid)
    account = hw.stats("test.data")
    assert account["asked"] > 100 and share(account["complete"], account["asked"]) >= 0.999, account


def test_a_file_mapped_over_another_is_not_taken_for_it():
    hw.need_recording()
    libraries = [hw.workload(f"libhop{words}.so") for words in (20, 90)]
    hw.record("-q", "-F", 4999, "--", hw.workload("remap"), 2, *libraries)
    stacks = {stack: count for stack, count in hw.folded("test.data").items() if "chain_burn" in stack}
    right = samples_with(stacks, ("main", "run", "hop", "chain_burn"))
    # Not all: until the tables are there, what is mapped may have changed before a walk can be finished.
    assert right > 500 and share(right, sum(stacks.values())) > 0.9, (right, sum(stacks.values()))


def test_only_the_command_and_its_descendants_are_recorded():
    hw.need_recording()
    with hw.Background([hw.workload("deep"), 5, 1, 600]):
        hw.record("-q", "--", "bash", "-c", f"{hw.workload('vdso')} 1; {hw.workload('spin')} 300 >/dev/null")
    programs = {stack[0] for stack in hw.folded("test.data")}
    assert {"vdso", "spin"} <= programs and "deep" not in programs, programs


def test_with_a_the_whole_machine_is_recorded_beside_the_command():
    hw.need_recording()
    with hw.Background([hw.workload("deep"), 5, 1, 600]):
        hw.record("-q", "-a", "--", hw.workload("spin"), 500)
    programs = {stack[0] for stack in hw.folded("test.data")}
    assert {"deep", "spin"} <= programs, programs


def test_pid_follows_threads_and_children():
    hw.need_recording()
    script = f"read line; {hw.workload('spin')} 300; {hw.workload('deep')} 8 2 1"
    with hw.Background(["bash", "-c", script], stdin=subprocess.PIPE) as shell:
        with hw.Background([hw.HOMEWARD, "record", "-p", shell.pid, "-o", "test.data"], stderr=subprocess.PIPE) as recorder:
            hw.wait_sampling(recorder)
            shell.stdin.write(b"go\n")
            shell.stdin.flush()
            assert recorder.wait(timeout=hw.PATIENCE) == 0  # it ends with the process
    programs = {stack[0] for stack in hw.folded("test.data")}
    assert {"spin", "deep"} <= programs <= {"spin", "deep", "bash"}, programs


def test_the_command_line_stands_in_the_file_as_it_was_typed():
    hw.record("-q", "--", "true")
    assert f"{hw.HOMEWARD} record -o test.data -q -- true\n" in hw.run("report", "test.data").stdout


def test_the_commands_exit_status_is_passed_on():
    hw.need_recording()
    hw.run("record", "-q", "--", "sh", "-c", "exit 42", status=42)
    hw.run("record", "-q", "--", "sh", "-c", "kill -TERM $$", status=128 + signal.SIGTERM)


def test_a_command_that_outlives_the_duration_is_waited_for():
    hw.need_recording()
    for backend in "bpf", "ptrace":
        begun = time.monotonic()
        hw.run("record", "-q", "--backend", backend, "-d", 0.5, "--", "sh", "-c", "sleep 2; exit 9", status=9)
        assert time.monotonic() - begun >= 2, backend


def test_signals_stop_it_cleanly():
    hw.need_recording()
    for number in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        path = f"{number}.data"
        with hw.Background([hw.HOMEWARD, "record", "-a", "-q", "-o", path]) as recorder:
            hw.wait_samples(path, 50)
            recorder.send_signal(number)
            assert recorder.wait(timeout=hw.PATIENCE) == 0
        assert hw.run("stats", path).stderr == ""


def on_a_terminal(*arguments):
    """What homeward prints to a terminal of its own."""
    main, side = pty.openpty()
    with hw.Background([hw.HOMEWARD, *arguments], stdout=side, stderr=side) as process:
        os.close(side)
        text = b""
        with contextlib.suppress(OSError):  # EIO: the other side is closed
            while chunk := os.read(main, 65536):
                text += chunk
        assert process.wait(timeout=hw.PATIENCE) == 0, text
    os.close(main)
    return text.decode()


def test_a_terminal_sees_how_it_goes():
    hw.need_recording()
    lines = on_a_terminal("record", "-d", "2", "--", hw.workload("deep"), "30", "1", "3").split("\r\033[K")
    shown = [line for line in lines if re.fullmatch(r"\d+\.\d s  \d+ samples  \d+\.\d % complete  \d+ lost", line)]
    assert shown and lines[-1].startswith("homeward record: "), lines
    assert "cpu-clock" in lines[0] or "cycles" in lines[0], lines[0]
    quiet = on_a_terminal("record", "-q", "-d", "1", "--", hw.workload("deep"), "30", "1", "1")
    assert "homeward" not in quiet and "lost" not in quiet, quiet


def test_a_command_that_ignores_the_signal_can_be_left_behind():
    hw.need_recording()
    for once in True, False:
        # until it is told to go on, or for ever
        command = ["sh", "-c", "trap '' INT; echo $$; " + ("while [ ! -e go ]; do sleep 0.1; done; exit 5" if once
                                                         else "exec sleep 600")]
        with hw.Background([hw.HOMEWARD, "record", "-q", "--", *command], stdout=subprocess.PIPE) as recorder:
            pid = int(recorder.stdout.readline())
            recorder.send_signal(signal.SIGINT)
            time.sleep(1)
            assert recorder.poll() is None, "it did not wait for its command"
            if once:
                open("go", "w", encoding="ascii").close()
            while not once and recorder.poll() is None:
                recorder.send_signal(signal.SIGINT)
                time.sleep(1)
            assert recorder.wait(timeout=hw.PATIENCE) == (5 if once else 128 + signal.SIGINT), once
            if not once:
                os.kill(pid, signal.SIGKILL)  # it was left behind


def test_an_older_recording_is_kept_as_old():
    hw.need_recording()
    hw.run("record", "-q", "-d", 0.3)
    with open("homeward.data", "rb") as file:
        first = file.read()
    hw.run("record", "-q", "-d", 0.3)
    with open("homeward.data.old", "rb") as file:
        assert file.read() == first
    hw.run("record", "-q", "-d", 0.3)
    assert sorted(os.listdir(".")) == ["homeward.data", "homeward.data.old"]


def test_a_recording_is_private_and_belongs_to_the_sudo_caller():
    hw.need_recording()
    hw.need_root()
    hw.run("record", "-q", "-d", 0.3, env={**os.environ, "SUDO_UID": str(hw.NOBODY), "SUDO_GID": str(hw.NOBODY)})
    found = os.stat("homeward.data")
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert (found.st_uid, found.st_gid) == (hw.NOBODY, hw.NOBODY)


def test_user_only_leaves_kernel_mode_out():
    hw.need_recording()
    hw.record("-q", "--user-only", "--", hw.workload("longread"), 1)
    account = hw.stats("test.data")
    assert account["samples"] < 100, account  # it is nearly always in the kernel
    assert "_[k]" not in hw.run("export", "--to", "folded", "--annotate", "test.data").stdout


def test_a_period_gives_as_many_samples():
    hw.need_recording()
    if hw.doctor()["event"] != "cpu-clock":
        hw.skip("the event here is not cpu-clock, whose period is known")
    done = hw.run("record", "-q", "-c", 1000000, "--", hw.workload("spin"), 1000)
    cpu_ms = int(re.search(r"cpu_ns (\d+)", done.stdout).group(1)) / 1e6
    samples = hw.stats("homeward.data")["samples"]
    assert 0.8 * cpu_ms < samples < 1.2 * cpu_ms + 50, (samples, cpu_ms)


def test_long_stays_in_the_kernel_share_walks():
    hw.need_recording()
    for walk in "auto", "deferred":
        hw.record("-q", "-F", 4999, "--walk", walk, "--", hw.workload("longread"), 3)
        account = hw.stats("test.data")
        assert account["answered"] > 5 * account["callchains"], (walk, account)


def test_short_stays_in_the_kernel_are_walked_at_once():
    hw.need_recording()
    for _ in range(5):  # a busy machine pushes the program aside in the middle of stays, which makes them long
        hw.record("-q", "-F", 4999, "--", hw.workload("work"), "kernel", 1000000)
        account = hw.stats("test.data")
        whole = account["complete"] + account["ended"].get("exec", 0)
        assert share(whole, account["answered"]) >= 0.99, account
        cookies = [cookie for in_user_mode, cookie in samples_of("test.data") if not in_user_mode and cookie]
        # There, it may also take long until the recorder has read where the kernel changes registers.
        first = next((i for i, cookie in enumerate(cookies) if not cookie >> 32 & 1), 0)
        cookies = cookies[first:]
        at_once = sum(not cookie >> 32 & 1 for cookie in cookies)
        if len(cookies) > 100 and share(at_once, len(cookies)) > 0.4:
            return
    raise AssertionError((at_once, len(cookies)))


def code_that_changes_registers():
    """Where the kernel delivers signals and returns from them: (start, end) of each function."""
    names = "arch_do_signal_or_restart", "x64_setup_rt_frame", "restore_sigcontext", "__x64_sys_rt_sigreturn"
    starts = {}
    with open("/proc/kallsyms", encoding="ascii") as file:
        for line in file:
            address, _, name = line.split()[:3]
            starts.setdefault(int(address, 16), []).append(name)
    order = sorted(starts)
    return [(start, end) for start, end in zip(order, order[1:]) if set(names) & set(starts[start])]


def kernel_samples_of(path):
    """Of an uncompressed recording by a clock: (kernel frames, cookie) of each sample in kernel mode that asked."""
    for _, words in sample_records_of(path):
        if len(words) > 8 and words[6] == 2**64 - 128 and words[-2] == 2**64 - 640:
            yield words[7:-2], words[-1]


def test_nothing_is_walked_at_once_where_the_kernel_changes_registers():
    hw.need_recording()
    hw.need_root()
    ranges = code_that_changes_registers()
    if not ranges or not ranges[0][0]:
        hw.skip("/proc/kallsyms hides the kernel's addresses")
    with hw.Background(["perl", "-e", "$SIG{USR1} = sub {}; kill USR1 => $$ while 1"]) as storm:
        for longer in 1, 4, 16:
            hw.record_enough(2000 * longer, "-q", "-F", "4999", "-p", str(storm.pid))
            inside, outside = [], []
            for frames, cookie in kernel_samples_of("test.data"):
                within = any(start <= frame < end for frame in frames[-10:] for start, end in ranges)
                (inside if within else outside).append(not cookie >> 32 & 1)
            if len(inside) >= 50 and sum(outside) >= 50:
                break
    assert len(inside) >= 50 and sum(outside) >= 50, (len(inside), sum(outside), len(outside))
    assert not any(inside), (sum(inside), len(inside))


def test_signal_frames_on_an_alternate_stack_are_crossed():
    # Of a program that runs already: while its table is missing, user space has a copy of one stack only.
    hw.need_recording()
    with hw.Background([hw.workload("sigs"), 600]) as process:
        hw.wait_begun(process)
        for walk in "auto", "deferred":
            hw.record_enough(1000, "-q", "-F", 1999, "--walk", walk, "-p", process.pid)
            account = hw.stats("test.data")
            assert account["asked"] > 200 and share(account["complete"], account["answered"]) >= 0.999, account
            inner = [stack for stack in hw.folded("test.data") if "inner" in stack]
            assert inner and all(stack.index("main") < stack.index("outer") < stack.index("raise_inner")
                                 < stack.index("inner") for stack in inner), inner[:3]


def test_plt_stubs_and_the_vdso_are_walked():
    hw.need_recording()
    for name in "pltcall", "pltcall_ibt", "vdso":
        hw.record("-q", "-F", 1999, "--", hw.workload(name), 2)
        account = hw.stats("test.data")
        whole = account["complete"] + account["ended"].get("exec", 0)
        assert share(whole, account["answered"]) >= 0.998, (name, account)
        assert account["ended"].get("exec", 0) <= 5, account


def test_walking_at_once_and_deferring_find_the_same():
    hw.need_recording()
    found = {}
    for walk in "auto", "deferred":
        # Before the recording, so that no table is missing.
        with hw.Background([hw.workload("deep"), 40, 2, 600]) as process:
            hw.wait_begun(process)
            hw.record_enough(3000, "-q", "-F", 1999, "--walk", walk, "-p", process.pid)
        account = hw.stats("test.data")
        assert account["asked"] > 200 and account["answered"] == account["asked"], (walk, account)
        assert share(account["complete"], account["answered"]) >= 0.999, (walk, account)
        found[walk] = {stack for stack, count in hw.folded("test.data").items()
                       if stack[-1] == "chain_burn" and count > 20}
    assert found["auto"] == found["deferred"] and found["auto"], found


def sample_records_of(path):
    """Of an uncompressed recording: misc and words of each sample's record, the header among these."""
    with open(path, "rb") as file:
        data = file.read()
    at, size = struct.unpack_from("<QQ", data, 40)  # the data section
    end = at + size
    while at < end:
        kind, misc, length = struct.unpack_from("<IHH", data, at)
        if kind == 9:  # PERF_RECORD_SAMPLE
            yield misc, struct.unpack_from(f"<{length // 8}Q", data, at)
        at += length


def samples_of(path):
    """Of an uncompressed recording by a clock: whether each sample hit user mode, and its cookie (0: none)."""
    for misc, words in sample_records_of(path):
        yield misc & 7 == 2, words[-1] if words[-2] == 2**64 - 640 else 0


def test_a_process_just_forked_is_walked_at_once():
    # Nobody has met its mappings yet, but its file is known: it runs already. A cookie whose counter is even is of a
    # walk at once.
    hw.need_recording()
    with hw.Background([hw.workload("work"), "cpu", 100]) as process:
        process.send_signal(signal.SIGSTOP)
        hw.record("-q", "-F", 4999, "--", hw.workload("work"), "processes", 400)
    account = hw.stats("test.data")
    whole = account["complete"] + account["ended"].get("exec", 0)
    assert share(whole, account["answered"]) >= 0.99, account
    cookies = [cookie for in_user_mode, cookie in samples_of("test.data") if in_user_mode and cookie]
    # On a busy machine it may take long until the recorder has read where the kernel changes registers.
    first = next((i for i, cookie in enumerate(cookies) if not cookie >> 32 & 1), 0)
    cookies = cookies[first:]
    at_once = sum(not cookie >> 32 & 1 for cookie in cookies)
    assert len(cookies) > 100 and share(at_once, len(cookies)) > 0.8, (at_once, len(cookies))


def test_a_small_cap_on_tables_costs_frames_never_truth():
    # Programs that together need many times the memory: tables come and go all the time.
    hw.need_recording()
    script = f"""for i in 1 2 3; do {hw.workload('deep')} 40 1 1 & /usr/bin/python3 -c 'print(sum(map(hash, range(3000000))))' &
                perl -e '$s += $_ for 1 .. 9e6' & bash -c 'for ((i = 0; i < 99999; i++)); do :; done' & wait; done"""
    for walk in "auto", "deferred":
        hw.record("-q", "-F", 1999, "--walk", walk, "--table-memory", "1M", "--", "bash", "-c", script,
                  stdout=subprocess.DEVNULL)
        account = hw.stats("test.data")
        assert account["asked"] > 300 and share(account["answered"], account["asked"]) >= 0.99, (walk, account)
        # What is thrown out before its walk is finished is a miss, and nothing else.
        assert share(account["complete"] + account["ended"].get("miss", 0), account["answered"]) > 0.97, (walk, account)
        assert share(account["complete"], account["answered"]) > 0.05, (walk, account)
        for stack in hw.folded("test.data"):
            if stack[0] == "deep" and "chain_burn" in stack and "main" in stack[:4]:
                names = [name for name in stack if name.startswith("f") and name[1:].isdigit()]
                assert names == sorted(names) and len(set(names)) == len(names), stack


def test_programs_that_live_shortly_are_complete_from_the_first():
    # Each child is gone before its file can be opened through it; nobody knows the file before.
    hw.need_recording()
    shutil.copy(hw.workload("spawn"), "spawn-copy")
    hw.record("-q", "-e", "context-switches", "-c", 1, "--", os.path.abspath("spawn-copy"), 2, 1, "fork")
    account = hw.stats("test.data")
    assert account["asked"] > 30 and account["answered"] == account["asked"], account
    assert share(account["complete"], account["answered"]) >= 0.97, account


def test_a_program_that_is_gone_when_its_file_is_asked_for_is_complete():
    # The recorder stands still while it runs: only its mapping tells then where the file was.
    hw.need_recording()
    shutil.copy(hw.workload("deep"), "deep-copy")
    script = "while [ ! -e go ]; do sleep 0.05; done; ./deep-copy 20 1 2"
    with hw.Background(["sh", "-c", script]) as shell, \
            hw.Background([hw.HOMEWARD, "record", "-F", 99, "-o", "test.data", "-p", shell.pid],
                          stderr=subprocess.PIPE) as recorder:
        hw.wait_sampling(recorder)
        recorder.send_signal(signal.SIGSTOP)
        with open("go", "w", encoding="ascii"):
            pass
        shell.wait(hw.PATIENCE)
        recorder.send_signal(signal.SIGCONT)
        assert recorder.wait(hw.PATIENCE) == 0
    account = hw.stats("test.data")
    assert account["answered"] > 10 and share(account["complete"], account["answered"]) >= 0.95, account


def test_other_events_are_sampled_and_their_stacks_complete():
    hw.need_recording()
    for event, command in (("page-faults", [hw.workload("spawn"), 1, 1, "exec"]),
                           ("context-switches", [hw.workload("spawn"), 1, 1, "exec"]),
                           ("task-clock", [hw.workload("deep"), 20, 1, 1])):
        hw.record("-q", "-e", event, "-c", 1000000 if event == "task-clock" else 1, "--", *command)
        account = hw.stats("test.data")
        assert account["asked"] > 30, (event, account)
        assert share(account["answered"], account["asked"]) >= 0.99, (event, account)
        assert share(account["complete"], account["answered"]) >= 0.95, (event, account)
        assert event in hw.run("report", "test.data").stdout, event


def test_exec_from_a_thread_never_mixes_programs():
    hw.need_recording()
    for walk in "auto", "deferred":
        hw.record("-q", "-F", 4999, "--walk", walk, "--", hw.workload("execself"), 60)
        account = hw.stats("test.data")
        left = account["complete"] + account["ended"].get("exec", 0)
        assert share(left, account["answered"]) >= 0.98, (walk, account)
        assert share(account["answered"], account["asked"]) >= 0.99, (walk, account)


def test_processes_that_come_and_go_are_answered():
    hw.need_recording()
    for how in "exec", "fork", "vfork":
        hw.record("-q", "-F", 4999, "--", hw.workload("spawn"), 2, 2, how)
        account = hw.stats("test.data")
        assert share(account["answered"], account["asked"]) >= 0.99, (how, account)
        assert account["lost"] == {"samples": 0, "callchains": 0}, (how, account)


def test_samples_that_the_kernel_drops_uncounted_are_told():
    hw.need_recording()
    # both before whatever else the machine does, and the recorder before the one that is in its way
    busy = ["nice", "-n", "-8", "/usr/bin/python3", os.path.join(hw.SOURCE, "tests", "system", "busy_bpf.py"), 600]
    with contextlib.ExitStack() as stack:
        for _ in range(os.cpu_count()):
            hw.wait_begun(stack.enter_context(hw.Background(busy)), 0.5)
        done = hw.run("-n", "-12", hw.HOMEWARD, "record", "-a", "--standalone", "-F", 4999, "-d", 3, "-o", "test.data",
                      program="nice")
    told = re.search(r"(\d+) of (\d+) samples due did not come", done.stderr)
    assert told, done.stderr
    missing, due = map(int, told.groups())
    assert missing + hw.stats("test.data")["samples"] <= due, done.stderr
    # a clock that counts kernel mode too, though only hits of user mode are wanted, says nothing
    assert "due" not in hw.run("record", "--user-only", "-d", 0.3, "-o", "test.data").stderr


def test_inside_execve_the_old_image_names_its_own_addresses():
    hw.need_recording()
    hw.record("-q", "-F", 9999, "--", hw.workload("execpair1"), 2000, hw.workload("execpair2"))
    inside = [stack for stack in hw.folded("test.data") if "load_elf_binary" in stack]
    for caller in "called_first", "called_second":
        assert any(caller in stack for stack in inside), caller
    wrong = [stack for stack in inside if any("never_called" in name for name in stack)]
    assert not wrong, wrong


def test_bpf_programs_that_come_while_recording_are_named():
    hw.need_recording()
    for options in [], ["-a"], ["--backend", "dump"]:
        begun = time.monotonic_ns()
        hw.record("-q", *options, "--", *hw.late_bpf(10))
        ended = time.monotonic_ns()
        late = [stack for stack in hw.folded("test.data") if re.fullmatch("bpf_prog_[0-9a-f]{16}_hw_late", stack[-1])]
        assert late, (options, [stack for stack in hw.folded("test.data") if stack[0].startswith("python")])
        # The kernel writes such records too long where several events are told; what is too much goes.
        records = re.findall(r"^(\d+) (\d+) 0x\w+ \[0x\w+\]: PERF_RECORD_KSYMBOL",
                             hw.run("script", "-D", "-i", "test.data").stdout, re.MULTILINE)
        times = [int(when) for _, when in records if int(when)]
        assert times and begun < min(times) and max(times) < ended, (begun, times, ended)
        assert all(int(cpu) < 4096 for cpu, _ in records), records


def test_no_name_reaches_the_terminal_as_an_escape():
    hw.need_root()
    script = 'printf "\\302\\23331m\\377" >/proc/$$/comm; i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'
    hw.record("-q", "--", "sh", "-c", script)
    for how in ("script",), ("script", "-D"), ("report",), ("stats",):
        text = hw.run(*how, "-i", "test.data", encoding="latin-1", env={**os.environ, "LC_ALL": "C"}).stdout
        assert "\302\233" not in text and "\033" not in text and "\377" not in text, how

if __name__ == "__main__":
    hw.main(globals())
