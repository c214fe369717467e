#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The same programs through every source of samples: same functions, same shares, how many stacks are complete.

    backends.py [--write]      --write makes docs/backends.md

On this machine: bpf, dump and ptrace, as far as they work here. The kernel's own deferral needs Linux 6.19 or newer:
it is measured in Debian's 7.3 in QEMU (software emulation), with bpf and dump there beside it.
"""

import json
import os
import platform
import subprocess
import sys

from common import Result, Scratch, hw, percent, progress

KERNELS = os.path.join(hw.SOURCE, "tests", "kernels")
sys.path.insert(0, KERNELS)

import machine  # noqa: E402  (the path has to be set first)

PROGRAMS = ("work", "work_fp")
FUNCTIONS = ("main", "f985", "chain_burn")
CHAIN = ";".join(f"f{number:03}" for number in range(970, 1000)) + ";chain_burn"
RATE, SECONDS = 999, 8


def stacks_of(path):
    with open(path, encoding="utf-8") as file:
        for line in file:
            stack, _, count = line.rstrip("\n").rpartition(" ")
            # timeout, which starts the program, and the shell's fork are not what is measured
            if stack.split(";")[0] in PROGRAMS:
                yield stack, int(count)


def rows(directory, where, backends):
    """A row for each backend and program that left a recording in the directory."""
    for program in PROGRAMS:
        for backend in backends:
            base = os.path.join(directory, f"{backend}-{program}")
            if not os.path.exists(base + ".folded"):
                why = "nothing was recorded"
                if os.path.exists(base + ".error"):
                    with open(base + ".error", encoding="utf-8") as file:
                        why = file.read().strip().splitlines()[-1:] or [why]
                        why = why[0]
                yield [where, program, backend, why]
                continue
            with open(base + ".json", encoding="utf-8") as file:
                account = json.load(file)
            stacks = list(stacks_of(base + ".folded"))
            total = sum(count for _, count in stacks)
            shares = [sum(count for stack, count in stacks if name in stack.split(";")) for name in FUNCTIONS]
            chain = sum(count for stack, count in stacks if CHAIN in stack)
            yield [where, program, backend, total, percent(account["complete"], account["answered"]),
                   percent(chain, total), *[percent(share, total) for share in shares]]


def here():
    path = os.path.dirname(hw.HOMEWARD) + os.pathsep + os.path.dirname(hw.workload("work")) + os.pathsep
    backends = [backend["name"] for backend in hw.doctor()["backends"] if backend["command"]]
    os.makedirs("measured")
    subprocess.run([os.path.join(KERNELS, "measure"), "measured", str(RATE), str(SECONDS), *backends], check=True,
                   env={**os.environ, "PATH": path + os.environ["PATH"]})
    return list(rows("measured", f"here, {platform.release()}", backends))


def there():
    """In Debian's 7.3, with backends that run there."""
    name, _, pattern, backends = next(kernel for kernel in machine.KERNELS if "native" in kernel[3])
    directory = os.path.join(hw.BUILD, "kernels")
    machine.need_tools()
    os.makedirs(directory, exist_ok=True)
    kernel = machine.Kernels(directory).image(name, pattern)
    place = os.path.join(directory, "measure")
    os.makedirs(place, exist_ok=True)
    programs = [hw.HOMEWARD] + [hw.workload(program) for program in PROGRAMS]
    image = machine.initramfs(place, programs, os.path.join(KERNELS, "run-measure"), backends)
    out = machine.boot(place, kernel, image)
    with open(os.path.join(out, "release"), encoding="utf-8") as file:
        release = file.read().strip()
    return list(rows(os.path.join(out, "measured"), f"QEMU, {release}", backends))


def measure():
    result = Result(
        "Sources of samples",
        f"`work` (built without frame pointers) and `work_fp` (with them; the C library has none) compute below 35 frames "
        f"for {SECONDS} s, {RATE} Hz (ptrace: 200 Hz), one recording each. Complete: answered stacks that end at the "
        "outermost frame. Chain: samples that show all 30 functions of the chain, in order. Then the share of samples "
        "with a function in their stack.",
        ("where", "program", "backend", "samples", "complete", "chain", *FUNCTIONS))
    result.notes.append("Frame pointers alone (native) end in the C library, which has none, so nearly no stack reaches the "
                        "outermost frame; and they miss the caller of a function that has no frame of its own, so the "
                        "chain lacks one link wherever its last function has none.")
    progress("backends, here")
    result.rows += here()
    progress("backends, in QEMU")
    try:
        result.rows += there()
    except (machine.Missing, RuntimeError) as reason:
        result.notes.append(f"Not measured: the kernel's own deferral: {reason}")
    return [result]


def main():
    with Scratch():
        text = measure()[0].markdown()
    if "--write" in sys.argv:
        with open(os.path.join(hw.SOURCE, "docs", "backends.md"), "w", encoding="utf-8") as file:
            file.write("# Sources of samples, compared\n\nMade by `tests/bench/backends.py --write`.\n\n"
                       + text.replace("## Sources of samples\n\n", "").rstrip() + "\n")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
