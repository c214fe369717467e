#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""make demo: it ends, shows a report and writes the page, with every right and without."""

import contextlib
import os
import shutil
import subprocess

import hw

SECONDS = 1
PROGRAMS = "src/cli/homeward", "tests/workloads/demo", "tests/workloads/deep"


def check(backends, source=hw.SOURCE, build=hw.BUILD, **options):
    """Run scripts/demo; what it leaves must be a recording by one of these backends."""
    environment = {**os.environ, "BUILD": build, "DEMO_OUTPUT": os.path.abspath("out"),
                   "SECONDS_TO_RECORD": str(SECONDS), "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
    os.makedirs("out", exist_ok=True)
    os.chmod(".", 0o755)
    os.chmod("out", 0o777)
    done = subprocess.run([os.path.join(source, "scripts", "demo")], env=environment, text=True, timeout=hw.PATIENCE,
                          stdin=subprocess.DEVNULL, capture_output=True, check=False, **options)
    assert done.returncode == 0, (done.stdout[-1000:], done.stderr[-1000:])
    for part in "Functions, by what they ran themselves", "user stacks walked", "The flame graph is in":
        assert part in done.stdout, (part, done.stdout)
    account = hw.stats("out/homeward-demo.data")
    assert account["backend"] in backends and account["complete"] > 50, account
    with open("out/homeward-flame.html", encoding="utf-8") as page:
        text = page.read()
    assert "chain_burn" in text and text.rstrip().endswith("</html>"), text[-200:]
    left = started_with("DEMO_OUTPUT=" + os.path.abspath("out"))
    assert not left, left
    return done


def started_with(variable):
    """Processes that have this in their environment: what was started here, and nobody else."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/environ", "rb") as file:
                if variable.encode() in file.read().split(b"\0"):
                    found.append(pid)
    return found


def test_the_demo_shows_the_whole_machine_where_it_may():
    hw.need_recording()
    assert "recording the whole machine" in check(["bpf"]).stdout


def test_the_demo_works_without_bpf():
    hw.need_root()
    hw.need_perf_event_open()
    check(["native", "dump"], preexec_fn=hw.forbid(hw.BPF))


def test_the_demo_works_without_perf_event_open():
    assert "only what the demo runs itself" in check(["ptrace"], preexec_fn=hw.forbid(hw.BPF, hw.PERF_EVENT_OPEN)).stdout


def test_the_demo_works_without_any_right():
    hw.need_root()
    for path in "scripts/demo", "scripts/demo-load":
        os.makedirs("tree/scripts", exist_ok=True)
        shutil.copy(os.path.join(hw.SOURCE, path), os.path.join("tree", path))
    for path in PROGRAMS:
        os.makedirs(os.path.dirname(os.path.join("build", path)), exist_ok=True)
        shutil.copy(os.path.join(hw.BUILD, path), os.path.join("build", path))
    check(["dump", "ptrace"], source=os.path.abspath("tree"), build=os.path.abspath("build"),
          user=hw.NOBODY, group=hw.NOBODY, extra_groups=[], preexec_fn=hw.forbid(hw.BPF))


if __name__ == "__main__":
    hw.main(globals())
