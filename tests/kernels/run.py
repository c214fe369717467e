#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""make check-kernels: run the test programs inside of other kernels, and report.

    run.py [KERNEL...]      all, or these of 6.1, 6.12 and 7.3

Exit status 0 only if everything held; 77 with the reason where something needed is missing.
"""

import glob
import json
import os
import re
import sys

import machine

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("HW_BUILD", os.path.join(SOURCE, "build")))
WORKLOADS = ("deep", "sigs", "vdso", "pltcall", "longread", "spawn", "execself", "work", "work_fp")
TESTS = ("walk/test_walker", "walk/test_rules", "walk/liblate.so")
CHAIN = ";".join(f"f{number:03}" for number in range(970, 1000)) + ";chain_burn"
# Of the answered samples: complete, or of a program that was just being replaced.
LEAST_COMPLETE = {"deep": 0.98, "pltcall": 0.98}


def programs():
    return ([os.path.join(BUILD, "src", "cli", "homeward")]
            + [os.path.join(BUILD, "tests", "workloads", name) for name in WORKLOADS]
            + [os.path.join(BUILD, "tests", "workloads", "libplttarget.so")]
            + [os.path.join(BUILD, "tests", name) for name in TESTS])


def share(part, whole):
    return part / max(whole, 1)


def judge(path, backend):
    """What is wrong with a recording by its stats, and how complete it is."""
    with open(path, encoding="utf-8") as file:
        account = json.load(file)
    wrong = []
    load = re.sub(r"^.*/[a-z]+-|_.*$", "", path)
    left = share(account["complete"] + account["ended"].get("exec", 0), account["answered"])
    if account["backend"] != backend:
        wrong.append(f"made by {account['backend']}")
    if account["samples"] < 20:
        wrong.append(f"only {account['samples']} samples")
    if sum(account["ended"].values()) != account["answered"]:
        wrong.append("the end reasons do not add up")
    # By itself the kernel loses what was asked of a thread that an execve makes another one.
    by_exec = backend == "native" and load in ("spawn", "execself")
    if share(account["answered"], account["asked"]) < (0.9 if by_exec else 0.97):
        wrong.append(f"answered {account['answered']} of {account['asked']}")
    if account["lost"]["samples"] or account["lost"]["callchains"]:
        wrong.append(f"lost {account['lost']}")
    if backend != "native" and left < LEAST_COMPLETE.get(load, 0):
        wrong.append(f"complete {left:.1%}: {account['ended']}")
    return wrong, account


def judge_chain(path, backend):
    """deep's own functions, in order, in nearly all stacks; native cannot see them: no frame pointers."""
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n").rpartition(" ") for line in file]
    total = sum(int(line[2]) for line in lines)
    right = sum(int(line[2]) for line in lines if CHAIN in line[0])
    return [] if backend == "native" or share(right, total) > 0.9 else [f"the chain is in {right} of {total} samples"]


def report(name, out, backends):
    """Print the table of one kernel; how many things were wrong."""
    with open(os.path.join(out, "release"), encoding="utf-8") as file:
        print(f"\nLinux {file.read().strip()}")
    failures = 0
    with open(os.path.join(out, "checks"), encoding="utf-8") as file:
        checks = file.read().splitlines()
    passed = sum(line.startswith("ok ") for line in checks)
    failed = [line for line in checks if not line.startswith("ok ")]
    print(f"  {passed} checks passed, {sum(line.startswith('FAILED') for line in failed)} failed")
    for line in failed:
        print("    " + line)
    failures += sum(line.startswith("FAILED") for line in failed)
    print(f"  {'backend':8} {'workload':16} {'samples':>8} {'answered':>9} {'complete':>9}  what was wrong")
    for backend in backends:
        for path in sorted(glob.glob(os.path.join(out, f"{backend}-*.json"))):
            load = os.path.basename(path)[len(backend) + 1:-5].rstrip("_")
            wrong, account = judge(path, backend)
            if load.startswith("deep"):
                wrong += judge_chain(path[:-5] + ".folded", backend)
            failures += len(wrong)
            print(f"  {backend:8} {load:16} {account['samples']:8} {account['answered']:9} "
                  f"{share(account['complete'], account['answered']):9.1%}  {'; '.join(wrong)}")
    with open(os.path.join(out, "doctor.json"), encoding="utf-8") as file:
        chosen = json.load(file)["backend"]
    print(f"  doctor chooses {chosen}")
    if chosen != backends[0]:
        print(f"    not {backends[0]}")
        failures += 1
    return failures


def main():
    wanted = sys.argv[1:] or [kernel[0] for kernel in machine.KERNELS]
    directory = os.path.join(BUILD, "kernels")
    os.makedirs(directory, exist_ok=True)
    failures = 0
    try:
        machine.need_tools()
        kernels = machine.Kernels(directory)
        for name, _, pattern, backends in machine.KERNELS:
            if name not in wanted:
                continue
            image = kernels.image(name, pattern)
            there = os.path.join(directory, f"run-{name}")
            os.makedirs(there, exist_ok=True)
            initramfs = machine.initramfs(there, programs(), os.path.join(machine.HERE, "test"), backends)
            try:
                failures += report(name, machine.boot(there, image, initramfs), backends)
            except RuntimeError as error:
                print(f"\nLinux {name}: {error}")
                failures += 1
    except machine.Missing as reason:
        print(f"check-kernels: skipped: {reason}")
        return 77
    print(f"\n{'everything held' if not failures else f'{failures} things were wrong'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
