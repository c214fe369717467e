#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Does perf 7.3 read and merge our recordings as they are? ("make check-perf")

    check_perf.py [SAMPLES]

Records this machine (as root) until there are SAMPLES (20,000), plain and with -z, and compares what "perf
script" says of each sample with what "homeward script" says: every address of every sample must be the same.
perf 7.3 comes from Debian (trixie-backports), unpacked by debootstrap into PERF_TREE
(/var/tmp/homeward-perf7.3), out of the way of this system; it is kept there for the next time.
"""

import collections
import os
import re
import shutil
import signal
import subprocess
import sys
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(SOURCE, os.environ.get("BUILD", "build"))
HOMEWARD = os.path.join(BUILD, "src", "cli", "homeward")
WORKLOADS = os.path.join(BUILD, "tests", "workloads")
TREE = os.environ.get("PERF_TREE", "/var/tmp/homeward-perf7.3")
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
PERF = os.path.join(TREE, "usr", "bin", "perf")
FIELDS = "comm,tid,cpu,time,ip"
HEAD = re.compile(r"\s*(.*?)\s+(\d+)\s+\[\d+\]\s+([\d.]+):")


def install_perf():
    if os.path.exists(PERF):
        return
    if not shutil.which("debootstrap"):
        sys.exit("check_perf: needs debootstrap (apt-get install debootstrap), or PERF_TREE with a newer perf")
    print(f"unpacking Debian 13 with perf 7.3 into {TREE}")
    subprocess.run(["debootstrap", "--variant=minbase", "trixie", TREE, MIRROR], check=True,
                   stdout=subprocess.DEVNULL)
    with open(os.path.join(TREE, "etc/apt/sources.list.d/backports.list"), "w", encoding="ascii") as file:
        file.write(f"deb {MIRROR} trixie-backports main\n")
    for arguments in ["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "-t", "trixie-backports",
                                        "linux-perf"]:
        subprocess.run(["chroot", TREE, "apt-get", *arguments], check=True, stdout=subprocess.DEVNULL)


def perf(*arguments):
    """Run it in its tree, with a /proc of its own, without which it reads nothing."""
    script = f'mount -t proc proc {TREE}/proc && exec chroot {TREE} perf "$@"'
    return subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", *arguments], capture_output=True, text=True,
                          check=True)


def samples(text):
    """(tid, time) to the list of stacks, each a tuple of addresses."""
    found, stack = collections.defaultdict(list), None
    for line in text.splitlines():
        head = HEAD.match(line) if not stack else None
        if not line.strip():
            stack = None
        elif head:
            stack = [head.group(3)]
            found[head.group(2), head.group(3)].append(stack)
        elif stack:
            stack.append(line.split()[0].lstrip("0"))
    return {key: sorted(map(tuple, stacks)) for key, stacks in found.items()}


def count(found):
    return sum(map(len, found.values()))


def to_return_addresses(stack):
    """Of a user stack that it walked itself, perf prints the byte before each return address."""
    first = next((at for at, ip in enumerate(stack) if at and int(ip, 16) < 1 << 47), len(stack)) + 1
    return (*stack[:first], *(f"{int(ip, 16) + 1:x}" for ip in stack[first:]))


def compare(path, wanted, *options, walked_by_perf=False):
    in_tree = os.path.join("/", os.path.relpath(path, TREE))
    done = perf("script", "--max-stack", "1024", "--no-inline", "-F", FIELDS, "-i", in_tree)
    theirs = samples(done.stdout)
    if walked_by_perf:
        theirs = {key: [to_return_addresses(stack) for stack in stacks] for key, stacks in theirs.items()}
    ours = samples(subprocess.run([HOMEWARD, "script", "-F", FIELDS, *options, "-i", path], capture_output=True, text=True,
                                  check=True).stdout)
    different = [key for key in ours if ours[key] != theirs.get(key)]
    print(f"{os.path.basename(path)}: {count(ours)} samples here, {count(theirs)} in perf, "
          f"{len(different)} differ; perf said: {done.stderr.strip() or 'nothing'}")
    for key in different[:5]:
        print("  tid %s at %s\n    here %s\n    perf %s" % (*key, ours[key], theirs.get(key)))
    return not different and count(theirs) == count(ours) >= wanted


def record(path, seconds, *options):
    programs = " & ".join([f"{WORKLOADS}/deep 30 2 {seconds}", f"{WORKLOADS}/longread {seconds}",
                           f"{WORKLOADS}/sigs {seconds}", f"{WORKLOADS}/spawn 1 {seconds} exec"])
    subprocess.run([HOMEWARD, "record", "-q", "-a", "-F", "4999", "-o", path, *options, "--", "sh", "-c",
                    f"{programs} & wait"], check=True, stdout=subprocess.DEVNULL)


def record_killed(path, *options):
    """A recording whose recorder is killed in the middle of it."""
    with subprocess.Popen([HOMEWARD, "record", "-q", "-F", "4999", "-o", path, *options, "--", f"{WORKLOADS}/deep",
                           "30", "2", "20"], stdout=subprocess.DEVNULL, start_new_session=True) as recorder:
        while not (os.path.exists(path) and os.path.getsize(path) > 1 << (16 if "-z" in options else 19)):
            time.sleep(0.05)
        recorder.kill()
        os.killpg(recorder.pid, signal.SIGKILL)
    return path


def record_by_perf(directory, name, *options):
    """A recording that perf 7.3 made in its tree; its -z writes PERF_RECORD_COMPRESSED2."""
    program = shutil.copy(os.path.join(WORKLOADS, "deep"), directory)
    path = os.path.join(directory, name + ".data")
    inside = [os.path.join("/", os.path.relpath(each, TREE)) for each in (path, program)]
    perf("record", "-q", "-F", "999", "--sample-cpu", *options, "-o", inside[0], "--", inside[1], "30", "1", "2")
    return path


def main():
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    install_perf()
    good = True
    directory = os.path.join(TREE, "recordings")
    os.makedirs(directory, exist_ok=True)
    print(perf("version").stdout.strip())
    for name, options in ("plain", []), ("deferred", ["--walk", "deferred"]), ("compressed", ["-z"]):
        path = os.path.join(directory, name + ".data")
        record(path, max(2, wanted // 6000), *options)
        good = compare(path, wanted) and good
    good = compare(record_killed(os.path.join(directory, "killed.data")), 100) and good
    # perf cannot decompress without a header that is written at the end: from such a file a merged one is made
    merged = os.path.join(directory, "killed-z-merged.data")
    killed = record_killed(os.path.join(directory, "killed-z.data"), "-z")
    subprocess.run([HOMEWARD, "export", "--to", "perf", "-o", merged, killed], check=True)
    good = compare(merged, 100) and good
    for name, options in (("perf-fp-z", ["-g", "-z"]), ("perf-dwarf", ["--call-graph", "dwarf,16384"]),
                          ("perf-dwarf-z", ["-z", "--call-graph", "dwarf,16384"])):
        good = compare(record_by_perf(directory, name, *options), 100, "--symfs", TREE,
                       walked_by_perf="dwarf" in name) and good
    shutil.rmtree(directory)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
