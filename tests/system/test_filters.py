#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""homeward record --uid and --cgroup: only what is asked for, with the daemon and without."""

import os
import shutil
import signal
import subprocess

import hw
from daemon import Daemon, busy, stop

OTHER = 12323  # a user of no account


def pids(path):
    return {int(line.split()[1]) for line in hw.run("script", path, timeout=hw.PATIENCE).stdout.splitlines()
            if line and not line[0].isspace()}


class Cgroup:
    """A cgroup of version 2 with a child, gone after the block."""

    def __enter__(self):
        hw.need_root()
        with open("/proc/mounts", encoding="utf-8") as mounts:
            roots = [line.split()[1] for line in mounts if line.split()[2] == "cgroup2"]
        if not roots:
            hw.skip("no cgroup2 is mounted")
        self.path = os.path.join(roots[0], f"homeward-test-{os.getpid()}")
        self.child = os.path.join(self.path, "below")
        os.makedirs(self.child)
        return self

    def put(self, process):
        with open(os.path.join(self.child, "cgroup.procs"), "w", encoding="ascii") as procs:
            procs.write(str(process.pid))

    def __exit__(self, *_):
        hw.until(lambda: not open(os.path.join(self.child, "cgroup.procs"), encoding="ascii").read())
        os.rmdir(self.child)
        os.rmdir(self.path)


def named(name):
    """A copy of perl whose name stands in no recording but of itself."""
    path = shutil.copy("/usr/bin/perl", os.path.abspath(name))
    return [path, *busy(600)[1:]]


def check(process, *filter_options):
    """Nothing but this process is in a recording with this filter, not even a name, and its stacks have names.

    Others run already, and come meanwhile: foreign and late-foreign."""
    with Daemon() as daemon, hw.Background(named("foreign")):
        for name, options in {"own.data": ["--standalone"], "daemon.data": ["--socket", daemon.path]}.items():
            with hw.Background([hw.HOMEWARD, "record", "-F", 1999, *options, *filter_options, "-o", name],
                               stderr=subprocess.PIPE, text=True) as recorder:
                hw.wait_samples(name, 200)
                with hw.Background(named("late-foreign")) as late:
                    hw.wait_begun(late)
                    hw.wait_samples(name, len(hw.Growing(name).samples()) + 100)
                    assert stop(recorder)[0] == 0
            assert pids(name) == {process.pid}, (name, pids(name), process.pid)
            with open(name, "rb") as file:
                data = file.read()
            assert b"foreign" not in data and b"/perl" in data, name
            account = hw.stats(name)
            assert account["backend"] == ("bpf" if name == "own.data" else "daemon") and account["samples"] > 50, account
            assert account["ended"].get("complete", 0) >= 0.9 * account["answered"], account
            assert any("Perl_runops_standard" in stack for stack in hw.folded(name)), "its files are not in the recording"


def test_by_user_only_that_users_tasks_are_sampled():
    hw.need_recording()
    with hw.Background(busy(600), user=OTHER, group=OTHER, extra_groups=[]) as process, hw.Background(busy(600)):
        check(process, "--uid", OTHER)
    with hw.Background(busy(600)) as process:
        with hw.Background([hw.HOMEWARD, "record", "-q", "--uid", "root", "-o", "test.data"]) as recorder:
            hw.wait_samples("test.data", 1, process.pid)
            assert stop(recorder)[0] == 0


def test_what_a_user_starts_meanwhile_is_named():
    hw.need_recording()
    os.chmod(".", 0o755)
    burn = f"-e '{busy(600)[2]}'"
    first, second = (shutil.copy("/usr/bin/perl", os.path.abspath(name)) for name in ("forked", "execed"))
    script = f"while [ ! -e go ]; do sleep 0.05; done; {first} {burn} & echo $!; exec {second} {burn}"
    with hw.Background(["sh", "-c", script], user=OTHER, group=OTHER, extra_groups=[], stdout=subprocess.PIPE) as process:
        with hw.Background([hw.HOMEWARD, "record", "--standalone", "-F", 1999, "--uid", OTHER, "-o", "test.data"],
                           stderr=subprocess.PIPE, text=True) as recorder:
            hw.wait_sampling(recorder)
            open("go", "w", encoding="ascii").close()
            forked = int(process.stdout.readline())
            for pid in process.pid, forked:
                hw.wait_samples("test.data", 200, pid)
            assert stop(recorder)[0] == 0
        os.kill(forked, signal.SIGKILL)
    for name in "forked", "execed":
        stacks = hw.folded("test.data", "--comm", name)
        assert any("Perl_runops_standard" in stack for stack in stacks), (name, list(stacks)[:3])


def test_by_cgroup_what_is_in_it_or_below_it_is_sampled():
    hw.need_recording()
    with Cgroup() as cgroup, hw.Background(busy(600)) as process, hw.Background(busy(600)):
        cgroup.put(process)
        check(process, "--cgroup", cgroup.path)


def test_with_a_command_the_filter_says_who_and_the_command_how_long():
    hw.need_recording()
    with hw.Background(busy(600), user=OTHER, group=OTHER, extra_groups=[]) as process:
        hw.record("--uid", OTHER, "--", *busy(1))
        assert pids("test.data") == {process.pid}


def test_what_cannot_be_chosen_by_is_refused_in_one_line():
    def refused(*options, status=2):
        return hw.one_line(hw.run("record", *options, "-d", "0.1", status=status).stderr)

    assert "there is no user 'no-such-user'" in refused("--uid", "no-such-user")
    assert "no user has the number '4294967295'" in refused("--uid", "4294967295")
    assert "cannot look at the cgroup /nowhere" in refused("--cgroup", "/nowhere")
    assert "is no cgroup of version 2" in refused("--cgroup", "/")
    assert "not two of them" in refused("--uid", "0", "-p", str(os.getpid()))
    assert "not two of them" in refused("-a", "--uid", "0")
    assert "not two of them" in refused("--uid", "0", "--uid", "1")
    assert "cannot choose by user or cgroup" in refused("--backend", "dump", "--uid", "0", status=1)


if __name__ == "__main__":
    hw.main(globals())
