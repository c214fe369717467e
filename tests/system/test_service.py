#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The units of systemd/ under a real systemd: root's user instance, in a mount namespace and cgroups of its own."""

import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import hw  # noqa: E402  (the path has to be set first)

SYSTEMD = "/lib/systemd/systemd"
CGROUPS = ("/sys/fs/cgroup/systemd", "/sys/fs/cgroup/unified", "/sys/fs/cgroup")  # whichever are there
NAME = f"homeward-service-{os.getpid()}"
PROGRAM = "/run/homeward-program"  # the service sees no /tmp, wherever it was built
ENVIRONMENT = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": "/run/user/0"}
# What a system's own systemd would have made, and then the manager itself.
START = f"""
set -e
for cgroup in $CGROUPS; do echo $$ >$cgroup/cgroup.procs; done
exec unshare -m --propagation private sh -ec '
	mount -t tmpfs -o mode=755 none /run
	mkdir -p /run/systemd/system /run/systemd/inaccessible/dir
	cd /run/systemd/inaccessible
	touch reg sock
	mkfifo fifo
	mknod chr c 0 0
	mknod blk b 0 0
	mkdir -p -m 700 /run/user/0
	cp "$HOMEWARD" {PROGRAM}
	exec {SYSTEMD} --user --unit=basic.target --log-target=null
'
"""
# Of the unit: CAP_DAC_READ_SEARCH, SETGID, SETUID, SETPCAP, SYS_PTRACE, SYSLOG, PERFMON, BPF, CHECKPOINT_RESTORE
BOUNDING = sum(1 << bit for bit in (2, 6, 7, 8, 19, 34, 38, 39, 40))
KEPT = sum(1 << bit for bit in (2, 19, 34, 38, 39, 40))


class Manager:
    """A systemd that knows our units; ended with the block, with all that it started."""

    def __init__(self):
        self.cgroups = [os.path.join(root, NAME) for root in CGROUPS if os.path.exists(root + "/cgroup.procs")]
        os.mkdir("units")
        for unit in "homeward.service", "homeward.socket":
            made = os.path.join(hw.BUILD if unit.endswith("service") else hw.SOURCE, "systemd", unit)
            with open(made, encoding="ascii") as source, open(f"units/{unit}", "w", encoding="ascii") as copy:
                for line in source:
                    copy.write(f"ExecStart={PROGRAM} daemon\n" if line.startswith("ExecStart=") else line)

    def __enter__(self):
        try:
            for cgroup in self.cgroups:
                os.mkdir(cgroup)
        except OSError as error:
            hw.skip(f"no cgroup can be made: {error}")
        self.process = subprocess.Popen(
            ["sh", "-c", START], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=ENVIRONMENT | {"CGROUPS": " ".join(self.cgroups), "HOMEWARD": hw.HOMEWARD, "HOME": os.getcwd(),
                               "SYSTEMD_UNIT_PATH": os.path.abspath("units") + ":/usr/lib/systemd/user"})
        hw.until(lambda: self.process.poll() is not None or
                 self.inside("systemctl", "--user", "is-active", "basic.target", status=None).returncode == 0)
        return self

    def __exit__(self, *_):
        self.inside("systemctl", "--user", "exit", status=None)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for root in self.cgroups:
            for cgroup, _, _ in os.walk(root, topdown=False):
                hw.until(lambda: not open(cgroup + "/cgroup.procs", encoding="ascii").read())
                os.rmdir(cgroup)

    def inside(self, *command, **options):
        """Run a command in the manager's mount namespace."""
        return hw.run("-t", self.process.pid, "-m", f"--wdns={os.getcwd()}", *command, program="nsenter",
                      env=ENVIRONMENT, **options)

    def control(self, *arguments):
        return self.inside("systemctl", "--user", *arguments).stdout.strip()

    def show(self, what):
        return self.control("show", "--value", "-p", what, "homeward.service")

    def record_as_nobody(self):
        """What becomes of a recording by somebody without rights."""
        output = "nobody.data"
        if os.path.exists(output):
            os.remove(output)
        self.inside("setpriv", f"--reuid={hw.NOBODY}", f"--regid={hw.NOBODY}", "--clear-groups", PROGRAM, "record",
                    "-o", output, "--", "perl", "-e", "$i++ while $i < 20_000_000")
        account = hw.stats(output)
        assert account["backend"] == "daemon", account
        assert account["answered"] > 50 and account["complete"] >= 0.95 * account["answered"], account


def of_process(pid, key):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(line.split()[1] for line in status if line.startswith(key + ":"))


def test_the_units_serve_everyone_with_the_rights_that_they_name():
    hw.need_root()
    hw.need_recording()
    for tool in "systemctl", "unshare", "nsenter", "setpriv":
        hw.need_tool(tool)
    if not os.path.exists(SYSTEMD):
        hw.skip("needs systemd")
    os.chmod(".", 0o777)
    with Manager() as manager:
        manager.control("start", "homeward.socket")
        assert manager.show("ActiveState") == "inactive"
        manager.record_as_nobody()
        first = int(manager.show("MainPID"))
        assert int(of_process(first, "CapBnd"), 16) | BOUNDING == BOUNDING
        assert int(of_process(first, "CapEff"), 16) == KEPT
        assert of_process(first, "NoNewPrivs") == "1" and of_process(first, "Seccomp") == "2"

        os.kill(first, signal.SIGSEGV)
        hw.until(lambda: manager.show("ActiveState") == "active" and manager.show("MainPID") not in ("0", str(first)))
        manager.record_as_nobody()

        manager.control("stop", "homeward.socket", "homeward.service")
        assert manager.show("ActiveState") == "inactive" and manager.show("Result") == "success"
        manager.inside("test", "!", "-e", "/run/homeward/homeward.sock")


if __name__ == "__main__":
    hw.main(globals())
