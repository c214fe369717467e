#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Who sees what through the daemon: two users at once, setuid programs, protected processes, reused PIDs.

What nobody else may learn of is a program with a name of its own: that name must not stand anywhere in the
other's recording, neither as a command nor as a file. HW_SAMPLES is how many of each user are wanted (150).
"""

import os
import re
import shutil
import signal
import subprocess
import time

import hw
from daemon import Daemon

ALICE = 300000 + 2 * os.getpid()  # users of no account, whom no other test that runs beside this one is
BOB = ALICE + 1
SAMPLES = int(os.environ.get("HW_SAMPLES", "150"))
BURN = "$e = time + 600; 1 while time < $e"
PROTECTED = "syscall(157, 4, 0, 0, 0, 0); " + BURN  # prctl(PR_SET_DUMPABLE, 0)


def user(uid):
    return {"user": uid, "group": uid, "extra_groups": [], "cwd": "/"}


class Programs:
    """Copies of perl under telling names, and recordings of users."""

    def __init__(self):
        hw.need_recording()
        os.chmod(".", 0o755)
        shutil.copy(hw.HOMEWARD, "homeward")
        for uid in ALICE, BOB:
            os.mkdir(str(uid))
            os.chown(str(uid), uid, uid)

    def __enter__(self):
        self.running = []
        return self

    def __exit__(self, *_):
        for process in self.running:
            process.kill()
            process.wait()

    def run(self, name, uid, owner=0, mode=0o755, script=BURN):
        path = os.path.abspath(name)
        if not os.path.exists(path):
            shutil.copy("/usr/bin/perl", path)
            os.chown(path, owner, owner)
            os.chmod(path, mode)
        process = subprocess.Popen([path, "-e", script], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   **user(uid))
        self.running.append(process)
        return process

    def record(self, daemon, uid, name, *options):
        path = os.path.abspath(os.path.join(str(uid) if uid else ".", name))
        command = [os.path.abspath("homeward"), "record", "-q", "--socket", daemon.path, "-o", path, *options]
        who = user(uid) if uid else {}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **who)
        self.running.append(process)
        return process, path


def wait_for(*paths):
    for path in paths:
        hw.wait_samples(path, SAMPLES, patience=hw.PATIENCE + SAMPLES / 20)


def end(process):
    process.send_signal(signal.SIGINT)
    _, text = process.communicate(timeout=hw.PATIENCE)
    assert process.returncode == 0, text


def samples_by_pid(path):
    counts = {}
    for line in hw.run("script", path, timeout=300).stdout.splitlines():
        if line and not line[0].isspace():
            pid = int(re.search(r" (\d+) +\[\d+\] ", line).group(1))  # names may have spaces in them
            counts[pid] = counts.get(pid, 0) + 1
    return counts


def names_in(path, *names):
    with open(path, "rb") as file:
        data = file.read()
    return [name for name in names if name.encode() in data]


def test_two_users_see_their_own_and_nothing_of_each_other():
    with Programs() as programs, Daemon() as daemon:
        of_alice = [programs.run("secret-a", ALICE) for _ in range(2)]
        of_bob = [programs.run("secret-b", BOB) for _ in range(2)]
        root = programs.run("secret-r", 0)
        recordings = {uid: programs.record(daemon, uid, "all.data", "-F", "1999" if uid else "499")
                      for uid in (ALICE, BOB, 0)}
        wait_for(*(path for _, path in recordings.values()))
        late = {ALICE: programs.run("late-a", ALICE), BOB: programs.run("late-b", BOB)}
        for uid, process in late.items():
            hw.wait_samples(recordings[uid][1], 100, process.pid)
        for process, _ in recordings.values():
            end(process)
        seen = {uid: samples_by_pid(path) for uid, (_, path) in recordings.items()}
        for uid, own, others in ((ALICE, of_alice, "b"), (BOB, of_bob, "a")):
            allowed = {process.pid for process in own} | {late[uid].pid, recordings[uid][0].pid}
            assert set(seen[uid]) <= allowed, (uid, seen[uid], allowed)
            for process in own:
                assert seen[uid].get(process.pid, 0) > SAMPLES / 20, (uid, seen[uid])
            found = names_in(recordings[uid][1], "secret-" + others, "late-" + others, "secret-r")
            assert not found, (uid, found)
            own_name = "secret-" + ("a" if uid == ALICE else "b")
            assert names_in(recordings[uid][1], own_name), "its own names are missing"
            stacks = hw.folded(recordings[uid][1])
            assert any("Perl_runops_standard" in stack for stack in stacks), list(stacks)[:3]
        for process in (*of_alice, *of_bob, root):
            assert seen[0].get(process.pid, 0) > SAMPLES / 50, "root sees everything"
        print(f"        samples: alice {sum(seen[ALICE].values())}, bob {sum(seen[BOB].values())}, "
              f"root {sum(seen[0].values())}")


def test_setuid_programs_and_protected_processes_stay_hidden_from_who_started_them():
    with Programs() as programs, Daemon() as daemon:
        hidden = [programs.run("suid-root", ALICE, mode=0o4755), programs.run("suid-bob", ALICE, BOB, 0o4755),
                  programs.run("protected", ALICE, script=PROTECTED)]
        shown = programs.run("plain", ALICE)
        hw.until(lambda: all(os.readlink(f"/proc/{process.pid}/exe") == process.args[0] for process in (*hidden, shown)))
        with open(f"/proc/{hidden[0].pid}/status", encoding="ascii") as status:
            assert f"Uid:\t{ALICE}\t0\t" in status.read(), "the program is not setuid here"
        recordings = {uid: programs.record(daemon, uid, "all.data", "-F", "1999") for uid in (ALICE, BOB)}
        asked = programs.record(daemon, 0, "root.data", "-F", "1999")
        wait_for(recordings[ALICE][1], asked[1])
        for process in (*hidden, shown):
            hw.wait_samples(asked[1], 100, process.pid)
        for process, _ in (*recordings.values(), asked):
            end(process)
        seen = {uid: samples_by_pid(path) for uid, (_, path) in recordings.items()}
        assert seen[ALICE].get(shown.pid, 0) > SAMPLES / 10, seen
        by_root = samples_by_pid(asked[1])
        for process in hidden:
            assert by_root.get(process.pid, 0) >= 100, "it did not even run"
            assert process.pid not in seen[ALICE] and process.pid not in seen[BOB], (process.args, seen)
        for uid in ALICE, BOB:
            found = names_in(recordings[uid][1], "suid-root", "suid-bob", "protected")
            assert not found, (uid, found)


def watch_root(programs, daemon, pid):
    """Root sees 500 samples of a process: so often it could have been seen by others."""
    recording, path = programs.record(daemon, 0, "root.data", "-F", "1999", "-p", str(pid))
    hw.wait_samples(path, 500, pid)
    end(recording)


def test_a_program_that_turns_setuid_by_exec_is_not_seen_from_then_on():
    with Programs() as programs, Daemon() as daemon:
        shutil.copy("/usr/bin/perl", "turned")
        os.chmod("turned", 0o4755)
        turned = os.path.abspath("turned")
        process = programs.run("before", ALICE, script=f"$SIG{{USR1}} = sub {{ exec '{turned}', '-e', q({BURN}) }}; " + BURN)
        recording, path = programs.record(daemon, ALICE, "all.data")
        wait_for(path)
        process.send_signal(signal.SIGUSR1)
        hw.until(lambda: os.readlink(f"/proc/{process.pid}/exe") == turned)
        watch_root(programs, daemon, process.pid)
        end(recording)
        assert samples_by_pid(path).get(process.pid, 0) > 10
        assert names_in(path, "before") and not names_in(path, "turned")


def with_pid(pid, start):
    """Start something until it gets this PID: other programs take PIDs, too."""
    for _ in range(300):
        try:
            with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as last:
                last.write(str(pid - 1))
        except OSError:
            continue
        process = start()
        if process.pid == pid:
            return process
        process.kill()
        process.wait()
    raise AssertionError(f"PID {pid} could not be had again")


def test_who_asked_for_a_pid_does_not_see_another_user_that_got_it_later():
    with Programs() as programs, Daemon() as daemon:
        first = programs.run("mine", ALICE)
        by_pid, path = programs.record(daemon, ALICE, "pid.data", "-F", "1999")
        wait_for(path)
        first.kill()
        first.wait()
        script = os.path.abspath("theirs")
        shutil.copy("/usr/bin/perl", script)
        second = with_pid(first.pid, lambda: subprocess.Popen([script, "-e", BURN], **user(BOB)))
        programs.running.append(second)
        begun = time.clock_gettime(time.CLOCK_MONOTONIC)
        watch_root(programs, daemon, second.pid)
        end(by_pid)
        last = max((float(line.split()[3].rstrip(":")) for line in hw.run("script", path).stdout.splitlines()
                    if line and not line[0].isspace() and int(line.split()[1]) == first.pid), default=0)
        assert 0 < last < begun, (last, begun)
        assert names_in(path, "mine") and not names_in(path, "theirs")


def test_kernel_addresses_are_not_for_everyone():
    with open("/proc/sys/kernel/perf_event_paranoid", encoding="ascii") as setting:
        if int(setting.read()) < 2:
            hw.skip("this machine shows kernel addresses to everyone")
    with Programs() as programs, Daemon() as daemon:
        for _ in range(2):
            programs.run("calls", ALICE, script="$e = time + 600; while (time < $e) { open(F, '/proc/self/stat'); <F> }")
        # only what hits user mode is seen: less than half
        recording, path = programs.record(daemon, ALICE, "all.data", "-F", "9999")
        wait_for(path)
        end(recording)
        assert hw.stats(path)["samples"] > 20
        assert "ffffffff" not in hw.run("script", path).stdout
        assert not names_in(path, "[kernel.kallsyms]_text")


if __name__ == "__main__":
    hw.main(globals())
