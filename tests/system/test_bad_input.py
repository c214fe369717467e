#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""homeward record where it cannot work, or stops working: one clear line each, and nothing lost."""

import os
import resource
import signal
import subprocess

import hw


def fails(*arguments, status=1, **options):
    """Record in vain; the one line that says why."""
    line = hw.one_line(hw.run("record", "-q", *arguments, status=status, **options).stderr)
    assert line.startswith("homeward record: "), line
    return line


def below(script, *arguments):
    """homeward, after script in a mount namespace of its own."""
    hw.need_root()
    return hw.run("-m", "sh", "-c", f'{script} && exec "$@"', "sh", hw.HOMEWARD, *arguments, program="unshare",
                  status=None)


def test_unknown_options_and_values_are_usage_errors():
    for arguments, told in (
        (["-F", "0"], "0"), (["-F", "fast"], "fast"), (["-c", "-5"], "-5"), (["-d", "soon"], "soon"),
        (["-p", "1,x"], "x"), (["--walk", "never"], "never"), (["--table-memory", "12Q"], "12Q"),
        (["-e", "nonsense"], "nonsense"), (["-o", "-"], "pipe"), (["--frobnicate"], "--frobnicate"),
        (["-X"], "-X"), (["-F"], "-F"), (["--quiet=3"], "--quiet=3"), (["-a", "-p", "1"], "-p"),
        (["-e", "a\x1b[31m"], "a\\x1b[31m"), (["-d", "0x10"], "0x10"), (["-d", " 5"], "' 5'"), (["-d", "inf"], "inf"),
        (["-d", "1e3"], "1e3"), (["-z99"], "99"), (["-zq"], "q"), (["-c", "1000", "-F", "99"], "not both"),
        (["-F", "99", "-c", "1000"], "not both"),
    ):
        line = hw.one_line(hw.run("record", *arguments, status=2).stderr)
        assert line.startswith("homeward record: ") and told in line, (arguments, line)
        assert not os.listdir("."), os.listdir(".")


def test_an_empty_value_is_told_with_the_option_that_lacks_it():
    for arguments in (
        ["record", "-o", ""], ["record", "-e", ""], ["record", "--socket", ""], ["record", "-qp", ""],
        ["record", "--compress="], ["report", "-i", ""], ["report", "--symbol="], ["report", "--symfs", ""],
        ["script", "--comm", ""], ["script", "-F", ""], ["flame", "-o", ""], ["export", "--to", ""],
        ["export", "--to", "perf", "-o", ""], ["stats", "--input="], ["daemon", "--socket", ""], ["daemon", "--group="],
    ):
        line = hw.one_line(hw.run(*arguments, status=2).stderr)
        told = arguments[-1] or arguments[-2]
        assert line.startswith(f"homeward {arguments[0]}: ") and f"'{told}'" in line and "empty" in line, line
    for command in "report", "script", "flame", "stats":
        line = hw.one_line(hw.run(command, "", status=2).stderr)
        assert line.startswith(f"homeward {command}: ") and "empty" in line, line
    assert "''" in fails("--", "", status=127)
    assert not os.listdir("."), os.listdir(".")


def test_every_subcommand_tells_in_one_line_what_it_does_not_know():
    for command in "record", "report", "script", "flame", "stats", "export", "doctor", "daemon":
        for word in "--frobnicate", "-X", "--help=3":
            line = hw.one_line(hw.run(command, word, status=2).stderr)
            assert line.startswith(f"homeward {command}: ") and word in line and f"{command} --help" in line, line
    for arguments, told in (
        (["report", "--percent-limit", "0x10"], "0x10"), (["report", "--percent-limit", " 5"], "' 5'"),
        (["report", "--percent-limit", "nan"], "nan"), (["report", "--max-depth", "1.5"], "1.5"),
        (["report", "--max-depth", "-1"], "-1"), (["flame", "--max-nodes", "0x10"], "0x10"),
        (["daemon", "--max-sessions", "1.5"], "1.5"), (["daemon", "--max-rate", "1e3"], "1e3"),
        (["daemon", "one"], "one"), (["doctor", "one"], "one"),
    ):
        line = hw.one_line(hw.run(*arguments, status=2).stderr)
        assert line.startswith(f"homeward {arguments[0]}: ") and told in line, line


def test_help_is_given_however_it_is_asked_for():
    text = hw.run("--help").stdout
    for arguments in ["help"], ["help", "help"], ["help", "--help"], ["help", "-h"], ["-h"]:
        assert hw.run(*arguments).stdout == text, arguments
    for arguments in ["help", "frobnicate"], ["frobnicate"], [""]:
        assert arguments[-1] in hw.one_line(hw.run(*arguments, status=2).stderr), arguments


def test_a_pager_that_cannot_be_run_is_told():
    hw.need_recording()
    hw.record("-q", "--", "true")
    terminal, end = os.openpty()
    done = hw.run("report", "test.data", status=1, stdout=end, env={**os.environ, "PAGER": "/none", "TERM": "xterm"})
    assert "pager cannot be run" in done.stderr, done.stderr
    os.close(terminal)
    os.close(end)


def test_what_cannot_be_printed_is_told():
    hw.need_recording()
    for arguments in ["--help"], ["--version"], ["help", "record"], ["doctor"], ["doctor", "--json"], ["stats", "--help"]:
        with open("/dev/full", "w", encoding="ascii") as full:
            assert "standard output" in hw.one_line(hw.run(*arguments, status=1, stdout=full).stderr), arguments


def test_a_compression_level_may_be_attached_to_its_letter():
    hw.need_recording()
    for option in "-z9", "-qz", "--compress=3":
        hw.record("-q", option, "-d", "0.2")
        assert hw.stats("test.data")["samples"] > 0


def test_a_daemon_makes_no_directory_that_somebody_named():
    hw.need_root()
    place = os.path.abspath("none/d.sock")
    line = hw.one_line(hw.run("daemon", "--socket", place, status=1).stderr)
    assert place in line and "No such file" in line, line
    assert not os.listdir("."), os.listdir(".")


def test_an_event_that_the_machine_lacks_is_told():
    hw.need_recording()
    if hw.doctor()["event"] != "cpu-clock":
        hw.skip("this machine counts cycles")
    line = fails("-e", "cycles", "-d", 1)
    assert "cycles" in line and "cpu-clock" in line, line


def test_without_rights_it_says_so_and_exits_1():
    line = hw.one_line(hw.run_as_nobody("record", "-q", "-o", "/tmp/never.data", status=1).stderr)
    assert "CAP_BPF" in line and "root" in line, line
    assert not os.path.exists("/tmp/never.data")


def test_without_btf_it_says_so_and_exits_1():
    done = below("mount -t tmpfs none /sys/kernel/btf", "record", "-q", "-d", 1, "--backend", "bpf")
    assert done.returncode == 1 and "/sys/kernel/btf/vmlinux" in hw.one_line(done.stderr), done


def test_a_kernel_without_the_task_work_is_told():
    hw.need_recording()
    with open("/sys/kernel/btf/vmlinux", "rb") as file:
        types = file.read()
    # Names stand in a table of strings: rename the function, and the kernel seems not to have it.
    with open("vmlinux", "wb") as file:
        file.write(types.replace(b"bpf_task_work_schedule_resume", b"bpf_task_work_schedule_nobody"))
    done = below(f"mount --bind {os.path.abspath('vmlinux')} /sys/kernel/btf/vmlinux", "record", "-q", "-d", 1,
                 "--backend", "bpf")
    assert done.returncode == 1 and "bpf_task_work_schedule_resume" in hw.one_line(done.stderr), done


def test_a_process_that_is_gone_is_told():
    hw.need_recording()
    with hw.Background(["true"]) as gone:
        gone.wait()
    line = fails("-p", gone.pid, "-d", 5)
    assert str(gone.pid) in line, line


def test_a_command_that_is_not_there_is_127():
    hw.need_recording()
    assert "no-such-command" in fails("--", "no-such-command", status=127)
    assert "./none" in fails("--", "./none", status=127)
    assert not os.listdir("."), os.listdir(".")  # a typing error must not push a recording aside


def test_a_command_that_cannot_be_executed_is_126():
    hw.need_recording()
    with open("data", "w", encoding="ascii") as file:
        file.write("not a program\n")
    assert "./data" in fails("--", "./data", status=126)
    assert "directory" in fails("--", "/", status=126)
    assert os.listdir(".") == ["data"], os.listdir(".")


def test_an_output_that_cannot_be_written_is_told():
    hw.need_recording()
    os.mkdir("directory")
    for output in "missing/directory/x.data", "directory", "/proc/x.data":
        line = fails("-o", output, "-d", 1)
        assert output in line, line
    assert os.listdir("directory") == []


def test_a_full_disk_ends_the_recording_and_keeps_what_is_there():
    hw.need_recording()
    hw.need_root()
    os.mkdir("small")
    script = ('mount -t tmpfs -o size=3m none small && "$@" record -a -q -F 20000 -d 3600 -o small/full.data;'
              'status=$?; cp small/full.data kept.data; exit $status')
    with hw.Background([hw.workload("deep"), 30, os.cpu_count(), 600]):
        done = hw.run("-m", "sh", "-c", script, "sh", hw.HOMEWARD, program="unshare", status=1)
    line = hw.one_line(done.stderr)
    assert "small/full.data" in line and "No space left" in line, line
    assert hw.stats("kept.data")["samples"] > 100


def test_a_full_disk_is_told_while_the_command_still_runs():
    hw.need_recording()
    hw.need_root()
    os.mkdir("small")
    script = 'mount -t tmpfs -o size=256k none small && exec "$@"'
    command = f"{hw.workload('deep')} 30 1 600 & while [ ! -e go ]; do sleep 0.1; done; kill $!"
    recorder = [hw.HOMEWARD, "record", "-q", "-F", "10000", "-o", "small/full.data", "--", "sh", "-c", command]
    with hw.Background(["unshare", "-m", "sh", "-c", script, "sh", *recorder], stderr=subprocess.PIPE) as process:
        line = process.stderr.readline().decode()
        assert "No space left" in line, line
        assert process.poll() is None, "the command was not waited for"
        open("go", "w", encoding="ascii").close()
        assert process.wait(timeout=hw.PATIENCE) == 1


def test_a_file_size_limit_ends_the_recording_and_keeps_what_is_there():
    hw.need_recording()

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000000, 3000000))

    with hw.Background([hw.workload("deep"), 30, os.cpu_count(), 600]):
        line = fails("-a", "-F", 20000, "-d", 3600, "-o", "limited.data", preexec_fn=limit)
    assert "limited.data" in line, line
    assert hw.stats("limited.data")["samples"] > 100


def test_a_killed_recorder_leaves_a_readable_file():
    hw.need_recording()
    command = ["--", hw.workload("deep"), 30, 1, 4]
    with hw.Background([hw.HOMEWARD, "record", "-q", "-F", 4999, "-o", "killed.data", *command]) as recorder:
        hw.until(lambda: os.path.exists("killed.data") and os.path.getsize("killed.data") > 300000)
        recorder.send_signal(signal.SIGKILL)
        recorder.wait()
    account = hw.stats("killed.data")
    assert account["samples"] > 100 and account["complete"] > 0, account
    assert any(stack[-1] == "chain_burn" for stack in hw.folded("killed.data"))


def test_truncated_recordings_are_read_as_far_as_they_go():
    hw.need_recording()
    hw.record("-q", "-F", 4999, "--", hw.workload("deep"), 30, 1, 1)
    whole = hw.stats("test.data")
    size = os.path.getsize("test.data")
    for part in 0.9, 0.5, 0.2:
        subprocess.run(["cp", "test.data", "cut.data"], check=True)
        os.truncate("cut.data", int(size * part))
        done = hw.run("stats", "--json", "cut.data")
        assert 0 < hw.stats("cut.data")["samples"] <= whole["samples"]
        assert "cut.data" in hw.one_line(done.stderr), done.stderr
    os.truncate("cut.data", 50)
    hw.one_line(hw.run("stats", "cut.data", status=1).stderr)


def test_what_is_no_recording_is_refused_in_one_line():
    with open("empty.data", "wb"):
        pass
    with open("noise.data", "wb") as file:
        file.write(os.urandom(100000))
    for command in "report", "script", "stats", "flame":
        for name in "empty.data", "noise.data", "missing.data", "/":
            line = hw.one_line(hw.run(command, name, status=1).stderr)
            assert line.startswith(f"homeward {command}: ") and name in line, line
    assert sorted(os.listdir(".")) == ["empty.data", "noise.data"], os.listdir(".")


if __name__ == "__main__":
    hw.main(globals())
