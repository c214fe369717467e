#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""homeward doctor, on machines that allow more and less."""

import json
import os
import re
import subprocess

import hw
from daemon import Daemon

NAMES = ["kernel", "BTF", "task work", "rights", "lockdown", "BPF", "events", "mappings", "programs",
         "kernel symbols", "debug files", "settings"]


def below(script, *arguments):
    """Run homeward after script, in a mount namespace of its own."""
    hw.need_root()
    command = f'{script} && exec "$@"'
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", command, "sh", hw.HOMEWARD, *arguments],
        text=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=hw.PATIENCE, check=False)


def test_text_has_a_line_for_each_thing_and_a_verdict():
    done = hw.run("doctor", status=None)
    lines = done.stdout.splitlines()
    found = [line[9:24].strip() for line in lines if line.startswith(("ok ", "limited ", "missing "))]
    assert found == NAMES + ["backend bpf", "backend native", "backend dump", "backend ptrace"], found
    verdict = "record would work: " if done.returncode == 0 else "record would not work: "
    assert lines[-1].startswith(verdict), lines[-1]
    assert done.stderr == "", done.stderr


def test_json_says_the_same_as_the_exit_status():
    done = hw.run("doctor", "--json", status=None)
    told = json.loads(done.stdout)
    assert told["record"] == (done.returncode == 0)
    assert (told["backend"] is not None) == told["record"]
    assert (told["blocker"] is None) == (told["backend"] == "bpf")
    assert [finding["name"] for finding in told["findings"]] == NAMES
    assert told["kernel"] == os.uname().release
    for finding in told["findings"]:
        assert (finding["state"] == "ok") == ("remedy" not in finding), finding


def test_it_tells_whether_a_daemon_would_record():
    done = hw.run("doctor", status=None)
    assert re.search(r"^none +daemon +.*HOMEWARD_SOCKET is empty$", done.stdout, re.MULTILINE), done.stdout
    hw.need_recording()
    with Daemon() as daemon:
        where = {**os.environ, "HOMEWARD_SOCKET": daemon.path}
        done = hw.run("doctor", env=where)
        assert re.search(r"^ok +daemon +the whole machine at " + re.escape(daemon.path) + "$", done.stdout, re.MULTILINE)
        assert done.stdout.splitlines()[-1] == "record would work: by the daemon, the whole machine"
        told = json.loads(hw.run_as_nobody("doctor", "--json", env=where).stdout)
        assert told["record"] and told["backend"] == "daemon" and told["blocker"]
        assert told["daemon"] == {"socket": daemon.path, "used": True, "limited": True}, told["daemon"]
    told = json.loads(hw.run("doctor", "--json", env=where).stdout)
    assert not told["daemon"]["used"] and "no homeward daemon answers at" in told["daemon"]["missing"]


def test_without_rights_it_names_them():
    told = json.loads(hw.run_as_nobody("doctor", "--json", status=None).stdout)
    assert "CAP_BPF and CAP_PERFMON" in told["blocker"] and "root" in told["blocker"], told["blocker"]
    states = {finding["name"]: finding["state"] for finding in told["findings"]}
    assert states["rights"] == states["BPF"] == "missing", states


def test_without_btf_it_names_it():
    done = below("mount -t tmpfs none /sys/kernel/btf", "doctor")
    missing = [line for line in done.stdout.splitlines() if line.startswith("missing  backend bpf")]
    assert len(missing) == 1 and "/sys/kernel/btf/vmlinux" in missing[0], done


def test_without_proc_it_still_answers():
    done = below("mount -t tmpfs none /proc", "doctor", "--json")
    settings = json.loads(done.stdout)["findings"][-1]
    assert settings["found"] == "perf_event_paranoid not readable, kptr_restrict not readable", settings


def test_unknown_option_is_a_usage_error():
    assert "unknown option '--frobnicate'" in hw.one_line(hw.run("doctor", "--frobnicate", status=2).stderr)
    assert "unexpected argument 'now'" in hw.run("doctor", "now", status=2).stderr


if __name__ == "__main__":
    hw.main(globals())
