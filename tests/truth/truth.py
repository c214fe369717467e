#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Is every walk right? Recorded stacks of everyday programs against libdwfl's walk of the same registers.

    truth.py [STACKS] [PROGRAM...]      at least so many stacks in all (20000); prints a table in Markdown

The programs are those of programs.py and of the zoo. Half of the rounds lets walks be made at once, in the interrupt,
where that is possible; in the other half tasks make them all on their way home. The exit status is 0 only if no frame
is wrong, and the user-space walker agrees with the kernel's throughout.
"""

import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time

for place in "system", "zoo":
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, place))

import hw  # noqa: E402  (the path has to be set first)
import prepare  # noqa: E402
import programs  # noqa: E402
import specs  # noqa: E402

COMPARE = os.path.join(hw.BUILD, "tests", "truth", "truth_compare")
RATE = 1999
SECONDS = 3600  # longer than anything is recorded
ROUND_SECONDS = 10
KEPT = "zoo/{}"
ROUNDS_MAX = 20  # a program that hardly runs gives fewer
KINDS = ("equal", "both_stop", "cannot", "ours_short", "undecided", "wrong")


def compare(recording, truth, kept=()):
    """What the comparison says: a dictionary, and its examples on stderr."""
    done = hw.run(recording, truth, *kept, program=COMPARE, timeout=600)
    return json.loads(done.stdout), done.stderr


def record(command, seconds, walk="deferred", least=0):
    """Record a command from its first instruction on, and end it and its children after some seconds.

    On a machine that is busy it takes up to twenty times as long to have at least so many samples."""
    for name in "truth.data", "truth.bin":
        if os.path.exists(name):
            os.remove(name)
    recorder = subprocess.Popen([hw.HOMEWARD, "record", "-q", "-F", str(RATE), "--truth", "truth.bin", "--walk", walk,
                                 "-o", "truth.data", "--", *command],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    hw.until(lambda: has_begun() or recorder.poll() is not None)
    begun, recording = time.monotonic(), hw.Growing("truth.data")
    time.sleep(seconds)
    while len(recording.samples()) < least and time.monotonic() - begun < 20 * seconds and recorder.poll() is None:
        time.sleep(0.1)
    recorder.send_signal(signal.SIGINT)
    end_children(recorder.pid)
    recorder.wait(timeout=hw.PATIENCE)


def has_begun():
    """Does the recorder sample? Then walks come, or soon will."""
    return os.path.exists("truth.bin") and os.path.getsize("truth.bin") > 0


def end_children(pid):
    """End what a process started, and what that started, parents first so that nothing new is born."""
    for child in children_of(pid):
        try:
            os.kill(child, signal.SIGSTOP)
            end_children(child)
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            pass


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def add(sums, account):
    for key, value in account.items():
        if key == "reasons":
            for reason, count in value.items():
                sums["reasons"][reason] = sums["reasons"].get(reason, 0) + count
        else:
            sums[key] = sums.get(key, 0) + value


def walks(path):
    """The head of each record: the layout of struct hw_unfinished (src/bpf/abi.h)."""
    with open(path, "rb") as file:
        while True:
            size, = struct.unpack("Q", file.read(8))
            if not size:
                return
            head = struct.unpack_from("IIQQQIIIIQIIQ16Q", file.read(size))
            yield {"mapping_count": head[8], "stack_address": head[9], "stack_size": head[10],
                   "ip_count": head[11], "rsp": head[13 + 7]}


def measure(command, stacks, seconds_max, first, kept=()):
    """Record until there are as many stacks, or if it must be short in one round: of which kind, first says."""
    sums = {"reasons": {}, "walks": 0}
    examples = []
    seconds = min(seconds_max or ROUND_SECONDS, 1 + stacks / 2 / RATE)
    for number in range(first, first + 1 if seconds_max else ROUNDS_MAX):
        record(command, seconds, "deferred" if number % 2 else "auto", stacks)
        account, text = compare("truth.data", "truth.bin", kept)
        add(sums, account)
        examples.append(text)
        if number % 2 and sums["walks"] >= stacks:
            break
    return sums, "".join(examples)


def print_row(name, sums):
    cells = [name, sums["walks"], sums["at_once"], sums["frames"], *(sums[kind] for kind in KINDS)]
    print("| " + " | ".join(map(str, cells)) + " |")
    sys.stdout.flush()


def judge(sums):
    """What must not be, in words; empty if all is well."""
    faults = []
    if sums["wrong"]:
        faults.append(f"{sums['wrong']} walks with a wrong frame")
    if sums["walker_differs"]:
        faults.append(f"{sums['walker_differs']} walks that the user-space walker makes differently")
    if not sums["equal"]:
        faults.append("no walk is equal: nothing was compared")
    return faults


def zoo():
    """The zoo's programs that are there: name and command. Each is built in a directory of its own, KEPT."""
    found, home = {}, os.getcwd()
    for program in specs.PROGRAMS:
        name = "zoo: " + program.name
        kept = os.path.abspath(KEPT.format(program.name))
        if program.refused:
            continue
        os.makedirs(kept)
        os.chdir(kept)
        try:
            prepare.build(program, SECONDS)
        except prepare.Skipped as reason:
            print(f"not compared: {name}: {reason}", file=sys.stderr)
            continue
        finally:
            os.chdir(home)
        run = prepare.expand(program.run, program, SECONDS)
        if "{s}" not in program.run:
            run = f"while :; do {run} >/dev/null 2>&1; done"
        # some take themselves away: each recording starts from a fresh copy
        found[name] = ["bash", "-c", f"rm -rf run && cp -r '{kept}' run && cd run && {run}"]
    return found


def run(stacks, names=(), seconds_max=None, commands=None):
    """Compare, print the table, and return the sums."""
    programs.write_inputs()
    commands = commands or {**programs.programs(hw.workload), **zoo()}
    chosen = {name: command for name, command in commands.items() if not names or name in names}
    total = {"reasons": {}}
    texts = []
    print("| program | stacks | of these at once | frames | equal | both stop | libdwfl cannot | ours short | undecided | wrong |")
    print("|" + "---|" * 10)
    for index, (name, command) in enumerate(chosen.items()):
        kept = KEPT.format(name.partition("zoo: ")[2])
        sums, examples = measure(command, stacks // len(chosen) + 1, seconds_max, index % 2 if seconds_max else 0,
                                 [kept] if os.path.isdir(kept) else [])
        print_row(name, sums)
        add(total, sums)
        if examples:
            texts.append(f"--- {name}\n{examples}")
    print_row("**all**", total)
    print("\nBy reason: " + "; ".join(f"{reason} {count}" for reason, count in
                                      sorted(total["reasons"].items(), key=lambda pair: -pair[1])))
    print(f"Lost for want of room: {total['lost']}. The user-space walker differs: {total['walker_differs']}.")
    if texts:
        print("\n" + "\n".join(texts))
    return total


def main():
    stacks = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    with tempfile.TemporaryDirectory(prefix="homeward-truth-") as directory:
        os.chdir(directory)
        total = run(stacks, sys.argv[2:])
        os.chdir("/")
    faults = judge(total)
    print("\n" + ("; ".join(faults) if faults else f"0 wrong frames in {total['walks']} stacks"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
