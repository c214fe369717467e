# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Building and starting programs of the zoo: what they need, and the words in their commands."""

import contextlib
import os
import re
import shutil
import subprocess

import hw

HERE = os.path.dirname(os.path.abspath(__file__))


class Skipped(Exception):
    """This program cannot run here."""


def shell(command, **options):
    return subprocess.run(["bash", "-c", command], text=True, stdin=subprocess.DEVNULL, capture_output=True,
                          check=False, **options)


@contextlib.contextmanager
def swap():
    """Memory to page out to: a compressed RAM disk, taken away again."""
    with open("/proc/swaps", encoding="ascii") as file:
        if len(file.readlines()) > 1:
            yield
            return
    number = shell("cat /sys/class/zram-control/hot_add").stdout.strip()
    if not number.isdigit():
        raise Skipped("no zram to page out to")
    device = f"/dev/zram{number}"
    try:
        done = shell(f"echo 256M >/sys/block/zram{number}/disksize && mkswap {device} && swapon {device}")
        if done.returncode:
            raise Skipped("no swap: " + done.stderr.strip())
        yield
    finally:
        shell(f"swapoff {device}; echo {number} >/sys/class/zram-control/hot_remove")


def check_needs(program):
    for need in program.needs:
        if need == "root":
            if os.geteuid():
                raise Skipped("needs root")
        elif need == "gcc -m32":
            if shell("echo 'int main(void){return 0;}' | gcc -m32 -x c -o m32 - && ./m32").returncode:
                raise Skipped("gcc cannot build 32-bit programs (gcc-multilib)")
        elif need != "swap" and not shutil.which(need):
            raise Skipped(f"needs {need}")


def expand(text, program, seconds, longer=1):
    words = {"p": os.path.join(HERE, "programs"), "w": os.path.dirname(hw.workload("x")), "s": f"{seconds:g}",
             "l": str(longer)}
    return re.sub(r"\{([pwsl])\}", lambda found: words[found.group(1)], text)


def build(program, seconds):
    """Build it in the current directory."""
    check_needs(program)
    if not program.build:
        return
    done = shell(expand(program.build, program, seconds), timeout=300)
    if done.returncode:
        raise Skipped("does not build: " + (done.stderr.strip().splitlines() or ["?"])[0])
