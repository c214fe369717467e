#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""libhomeward as other programs use it: installed, found by pkg-config, built against, run."""

import collections
import glob
import os
import re
import shlex
import subprocess
import tempfile

import hw
from daemon import Daemon

NOBODY = {"user": 12321, "group": 12321, "extra_groups": []}  # a user of no account

INSTALLED = tempfile.TemporaryDirectory(prefix="homeward-library-")


def installed():
    """The directory into which everything was installed; once."""
    root = INSTALLED.name
    if not os.listdir(root):
        subprocess.run(["meson", "install", "-C", hw.BUILD, "--no-rebuild", "--quiet", "--destdir", root], check=True,
                       stdout=subprocess.DEVNULL, timeout=hw.PATIENCE)
    return root


def library():
    return glob.glob(installed() + "/**/libhomeward.so.0", recursive=True)[0]


def built(example):
    """Build examples/EXAMPLE.c by what pkg-config says; the command that runs it."""
    package = glob.glob(installed() + "/**/libhomeward.pc", recursive=True)[0]
    environment = {**os.environ, "PKG_CONFIG_PATH": os.path.dirname(package), "PKG_CONFIG_SYSROOT_DIR": installed()}
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libhomeward"], env=environment, check=True,
                           capture_output=True, text=True).stdout
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", example, os.path.join(hw.SOURCE, "examples", example + ".c"),
                    *shlex.split(flags)], check=True)
    return ["env", "LD_LIBRARY_PATH=" + os.path.dirname(library()), "./" + example]


def test_the_library_exports_its_own_versioned_names_and_nothing_else():
    hw.need_tool("nm")
    lines = subprocess.run(["nm", "-D", "--defined-only", library()], check=True, capture_output=True, text=True).stdout
    names = {line.split()[2] for line in lines.splitlines() if " A " not in line}
    assert names and all(re.fullmatch(r"homeward_[a-z_]+@@HOMEWARD_0\.1", name) for name in names), sorted(names)
    declared = set()
    for header in glob.glob(installed() + "/**/include/homeward/*.h", recursive=True):
        with open(header, encoding="utf-8") as file:
            text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.DOTALL)
        declared |= set(re.findall(r"\b(homeward_[a-z_]+)\((?!\*)", text)) - {"homeward_sample_function"}
        subprocess.run(["c++", "-fsyntax-only", "-I", os.path.dirname(os.path.dirname(header)), header], check=True,
                       stderr=subprocess.PIPE)
    assert declared == {name.partition("@")[0] for name in names}


def test_every_header_has_a_man_page_that_names_its_functions():
    for header in glob.glob(os.path.join(hw.SOURCE, "include", "homeward", "*.h")):
        name = os.path.basename(header)[:-2]
        with open(header, encoding="utf-8") as file:
            functions = set(re.findall(r"\b(homeward_[a-z_]+)\((?!\*)", file.read()))
        with open(os.path.join(hw.SOURCE, "man", f"homeward-{name}.3"), encoding="utf-8") as file:
            page = file.read()
        missing = [function for function in functions if not re.search(rf"\b{function}\b", page)]
        assert not missing and f"homeward/{name}.h" in page, (name, missing)


def test_an_example_reads_a_recording_and_names_what_folded_stacks_name():
    hw.need_root()
    hw.need_recording()
    hw.record("-F", 1999, "--", hw.workload("demo"), 1, stdout=subprocess.DEVNULL)
    lines = subprocess.run([*built("hottest"), "test.data"], check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(lines) == hw.stats("test.data")["samples"] > 100
    ours = collections.Counter(line.split(" ")[-1] for line in lines if line.startswith("demo "))
    leaves = collections.Counter()
    for stack, count in hw.folded("test.data", "--comm", "demo").items():
        leaves[stack[-1]] += count
    hottest = leaves.most_common(1)[0][0]
    assert ours[hottest] == leaves[hottest] > 10, (hottest, ours.most_common(3), leaves.most_common(3))
    failed = subprocess.run([*built("hottest"), "nowhere.data"], capture_output=True, text=True, check=False)
    assert failed.returncode == 1 and "nowhere.data" in hw.one_line(failed.stderr)


def watch(process, **options):
    """Run the example until it has seen enough: its lines, samples, deepest stack, and what it said."""
    command = built("watch")
    for seconds in 1, 5, 25:  # on a machine that is busy a process does not run much in a second
        done = subprocess.run([*command, str(process.pid), str(seconds)], capture_output=True, text=True, check=False,
                              timeout=hw.PATIENCE, **options)
        assert done.returncode == 0, done.stderr
        samples, deepest = map(int, re.search(r"(\d+) samples, up to (\d+) frames", done.stderr).groups())
        if samples > 20 and deepest >= 30:
            break
    return done.stdout.splitlines(), samples, deepest, done.stderr


def test_an_example_records_and_is_called_with_complete_stacks():
    hw.need_root()
    hw.need_recording()
    with hw.Background([hw.workload("deep"), 30, 2, 600]) as process:
        lines, samples, deepest, said = watch(process)
    assert len(lines) == samples > 20 and deepest >= 30, said
    complete = sum(line.endswith(" complete") for line in lines)
    assert complete >= 0.9 * samples, collections.Counter(line.split()[-1] for line in lines)


def test_the_library_uses_the_daemon_and_needs_no_rights_then():
    hw.need_root()
    hw.need_recording()
    os.chmod(".", 0o755)
    os.chmod(INSTALLED.name, 0o755)
    with Daemon() as daemon, hw.Background([hw.workload("deep"), 30, 2, 600], **NOBODY) as process:
        _, samples, deepest, said = watch(process, env={**os.environ, "HOMEWARD_SOCKET": daemon.path}, **NOBODY)
    assert samples > 20 and deepest >= 30, said


if __name__ == "__main__":
    hw.main(globals())
