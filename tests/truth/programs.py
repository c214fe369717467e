# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The programs whose stacks are compared. Each command works until it is ended."""

import os
import shutil

WORDS = 400000
PYTHON = """
import json, re
def walk(n, f):
    return f() if not n else walk(n - 1, f)
def work():
    text = json.dumps([[list(range(50))] * 40] * 20)
    json.loads(text)
    return len(re.findall(r"4[0-9], ", text)) + sum(sorted(range(5000), key=lambda x: -x))
while True:
    walk(60, work)
"""
PERL = """
sub f { my $n = shift; $n < 2 ? $n : f($n - 1) + f($n - 2) }
while (1) { f(18); my %h = map { $_ => "x$_" } 1..5000; my $s = join ",", sort values %h; $s =~ s/x(\\d)/$1y/g }
"""
NODE = """
function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) }
for (;;) { f(24); JSON.parse(JSON.stringify(Array(9999).fill({a: [1, 2, 3]})));
           [..."the quick brown fox".repeat(999)].sort().join("").replace(/o+/g, "0"); }
"""
SHELL = """
f() { if (($1 > 0)); then f $(($1 - 1)); else s=${PATH//:/ }; for w in $s; do [[ $w == *bin* ]] && : "$(echo "$w")"; done; fi; }
while :; do f 20; done
"""
CXX = """#include <map>
#include <regex>
#include <iostream>
int main() { std::map<std::string, std::regex> m; m["a"] = std::regex("a+b"); std::cout << m.size(); }
"""


def write_inputs():
    """What the programs work on, into the current directory."""
    with open("words.txt", "w", encoding="ascii") as file:
        for i in range(WORDS):
            file.write(f"{i * 7919 % 3000017} word{i % 977}\n")
    with open("main.cc", "w", encoding="ascii") as file:
        file.write(CXX)


def for_ever(command):
    return ["bash", "-c", f"while :; do {command}; done"]


def programs(workload):
    """Name and command of all that is there; workload(name) is the path of one of ours."""
    everything = {
        "C, 30 frames": [workload("deep"), "30", "2", "3600"],
        "C, 200 frames": [workload("deep"), "200", "2", "3600"],
        "C, signals": [workload("sigs"), "3600", "here"],
        "C, signals, own stack": [workload("sigs"), "3600"],
        "python3": ["/usr/bin/python3", "-c", PYTHON],
        "perl": ["perl", "-e", PERL],
        "xz": for_ever("xz -3 -T1 -c words.txt >words.xz; xz -dc words.xz >/dev/null"),
        "sort": for_ever("sort --parallel=2 -S 4M -T . -o sorted.txt words.txt"),
        "bash": ["bash", "-c", SHELL],
        "gcc": for_ever("g++ -O1 -c main.cc -o main.o"),
        "clang": for_ever("clang++ -O1 -c main.cc -o main2.o"),
        "node": ["node", "-e", NODE],
        # also as it runs on CPUs without mulx and adx: other assembly
        "openssl": for_ever("{ OPENSSL_ia32cap=:~0x80100 openssl speed -seconds 1 rsa1024; "
                            "openssl speed -seconds 1 -bytes 8192 rsa1024 ecdsap256 sha256; } 2>/dev/null"),
    }
    needs = {"gcc": "g++", "clang": "clang++"}
    return {name: command for name, command in everything.items()
            if os.path.exists(command[0]) or shutil.which(needs.get(name, name.split(",")[0]))}
