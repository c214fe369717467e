# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""How many user stacks are complete: C without frame pointers, and everyday programs."""

import os
import shutil
import time

from common import Result, hw, percent, progress

SECONDS = 4


def account_row(name, account):
    others = {reason: count for reason, count in account["ended"].items() if count and reason != "complete"}
    others.update({f"unanswered: {reason}": count for reason, count in account["unanswered"].items() if count})
    rest = ", ".join(f"{reason} {count}" for reason, count in sorted(others.items(), key=lambda pair: -pair[1]))
    return (name, account["asked"], percent(account["answered"], account["asked"]),
            percent(account["complete"], account["answered"]), rest or "–")


def deep(depth, before):
    """Two threads, depth frames deep, started before or after the recording."""
    program = [hw.workload("deep"), depth, 2, SECONDS + 4 if before else SECONDS]
    if not before:
        hw.record("-F", 999, "-q", "--", *program)
        return hw.stats("test.data")
    with hw.Background(program) as process:
        time.sleep(0.5)
        hw.record("-F", 999, "-q", "-d", SECONDS, "-p", process.pid)
    return hw.stats("test.data")


def everyday_programs():
    """Name and command of what is there, each for some seconds at least."""
    words = "words.txt"
    with open(words, "w", encoding="ascii") as file:
        for i in range(1000000):
            file.write(f"{i * 7919 % 3000017} word{i % 977}\n")
    with open("main.cc", "w", encoding="ascii") as file:
        file.write("#include <map>\n#include <regex>\n#include <iostream>\n"
                   "int main() { std::map<std::string, std::regex> m; std::cout << m.size(); }\n")
    compile_often = "for i in 1 2 3 4; do {} -O2 -c main.cc -o main.o; done"
    python = ("import json\nfor i in range(400):\n"
              " json.loads(json.dumps([[list(range(50))] * 40] * 20)); sorted(range(20000), key=lambda x: -x)\n")
    perl = "sub f { my $n = shift; $n < 2 ? $n : f($n - 1) + f($n - 2) } print f(29)"
    node = ("function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) } let s = 0;"
            "for (let i = 0; i < 60; i++) { s += f(30); JSON.parse(JSON.stringify(Array(9999).fill({a: [i]}))) }")
    loop = "i=0; while [ $i -lt 900000 ]; do i=$((i + 1)); s=${i#1}; done"
    commands = {
        "python3": ["/usr/bin/python3", "-c", python],
        "perl": ["perl", "-e", perl],
        "xz": ["xz", "-6", "-k", "-f", words],
        "sort": ["sort", "-o", "sorted.txt", words],
        "bash": ["bash", "-c", loop],
        "g++": ["bash", "-c", compile_often.format("g++")],
        "clang++": ["bash", "-c", compile_often.format("clang++")],
        "node": ["node", "-e", node],
    }
    return {name: command for name, command in commands.items()
            if shutil.which(name) or os.path.exists(command[0])}


def measure():
    rows = []
    for depth in 30, 200:
        for before in True, False:
            name = f"C, {depth} frames, 2 threads, started {'before' if before else 'by'} the recording"
            progress(f"completeness: {name}")
            rows.append(account_row(name, deep(depth, before)))
    everyday = {"asked": 0, "answered": 0, "complete": 0, "ended": {}, "unanswered": {}}
    for name, command in everyday_programs().items():
        progress(f"completeness: {name}")
        hw.record("-F", 999, "-q", "--", *command, timeout=180)
        account = hw.stats("test.data")
        rows.append(account_row(name, account))
        for key in "asked", "answered", "complete":
            everyday[key] += account[key]
        for key in "ended", "unanswered":
            for reason, count in account[key].items():
                everyday[key][reason] = everyday[key].get(reason, 0) + count
    rows.append(account_row("**everyday programs together**", everyday))
    return [Result("Completeness", "999 Hz. Asked, answered and complete are samples.",
                   ("program", "samples that asked", "answered", "of these complete", "the rest"), rows)]
