#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The registry under sanitizers, and mutants of it that must be caught.

    tests/session/stress.py [DISPATCHES]        default 1,000,000 for each sanitizer

First the sources as they are: plain, ThreadSanitizer, AddressSanitizer (with leaks) and valgrind (a tenth
of the dispatches). Not valgrind's helgrind and DRD: they know locks and barriers of pthreads only, not RCU nor plain
atomics, and report the very accesses that RCU is for. On sources that are right, 2,000 dispatches gave 36,312 reports in 56
places (helgrind) and 4,354 in 33 (DRD): every dispatch, every add, liburcu itself. ThreadSanitizer, told of the grace
periods (src/session/rcu.h), does what they would be for. Then each mutant: a copy of the sources with one step of the contract taken out. The
unit tests and the stress test, under both sanitizers, must fail on it. Exit status 1 if something fails that
must not, or a mutant lives.
"""

import os
import shutil
import subprocess
import sys
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SUPPRESSIONS = os.path.join(SOURCE, "tests", "session", "tsan.supp")
PARTS = ["src/session/cpu_ids.c", "src/session/dispatch.c", "src/session/registry.c", "src/base/error.c"]
LIBRARIES = ["-lurcu-bp", "-lurcu-cds", "-lurcu-common", "-lpthread"]
UNIT_TESTS = {"test_registry": ["-Wl,--wrap=calloc", "-Wl,--wrap=posix_memalign", "-lcmocka"],
              "test_removal": ["-Wl,--wrap=free", "-lcmocka"]}

# name, file, what stands there, what stands there instead
MUTANTS = [
    ("no mark", "registry.c", "__atomic_store_n(&event->going, true, __ATOMIC_SEQ_CST);", ""),
    ("no wait", "registry.c", "hw_gate_wait(&session->cpus[event->cpu].gate);", ""),
    ("no grace period for events", "registry.c", "hw_rcu_call(&event->rcu, free_event);", "free(event);"),
    ("no grace period for sessions", "registry.c", "hw_rcu_call(&session->rcu, free_session);", "free(session);"),
    ("no lock", "registry.c", "pthread_mutex_lock(&registry->lock);", ""),
    ("session stays published", "registry.c", "rcu_assign_pointer(registry->sessions[session->number], NULL);", ""),
    ("owner by PID alone", "registry.c", "a->start_time == b->start_time", "a->pid == b->pid"),
    ("owner without credentials", "registry.c", "a->uid == b->uid && a->gid == b->gid", "true"),
    ("owner without recording", "registry.c", "a->recording == b->recording", "true"),
    ("session kept when its source refuses", "registry.c", "if (number < 0) {", "if (number == INT32_MIN) {"),
    ("CPU beyond the table", "registry.c", "(uint32_t)cpu >= registry->cpu_ids", "(uint32_t)cpu > registry->cpu_ids"),
    ("half of many stays", "registry.c", "hw_registry_remove(registry, events[added - 1]);", ";"),
    ("removal inside a callback", "registry.c", "return -EDEADLK;\n\tpthread_mutex_lock(&registry->lock);\n\t__atomic",
     "hw_in_dispatch = false;\n\tpthread_mutex_lock(&registry->lock);\n\t__atomic"),
    ("every event of a CPU receives", "dispatch.c", "\t\tbreak;\n\t}\n\thw_gate_leave", "\t}\n\thw_gate_leave"),
    ("a loss is not counted", "dispatch.c", "count(&counts->lost_no_event);", ""),
]


def build(tree, directory, sanitizer, program):
    """Compile the stress test or the unit tests of a source tree; the path of the program."""
    output = os.path.join(directory, program + "-" + (sanitizer or "plain"))
    parts = [os.path.join(tree, part) for part in PARTS]
    extra = UNIT_TESTS.get(program, [])
    if program == "test_removal":  # has it in itself
        parts = [part for part in parts if not part.endswith("registry.c")]
    command = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-g", "-O1", "-w", "-I", os.path.join(tree, "src"),
               os.path.join(tree, "tests", "session", program + ".c"), *parts, "-o", output, *LIBRARIES, *extra]
    if sanitizer:
        command.insert(1, "-fsanitize=" + sanitizer)
    subprocess.run(command, check=True)
    return output


def passes(command, timeout=600):
    environment = dict(os.environ, TSAN_OPTIONS=f"suppressions={SUPPRESSIONS} halt_on_error=1 exitcode=66",
                       ASAN_OPTIONS="detect_leaks=1")
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    except subprocess.TimeoutExpired:
        return False, "does not end"
    lines = (done.stdout + done.stderr).strip().splitlines()
    telling = [line for line in lines if "  FAILED  ] " in line or line.startswith("stress:")]
    telling += [line for line in lines if "SUMMARY" in line]
    return done.returncode == 0, (telling or lines or [f"exit status {done.returncode}"])[0].strip()


def as_it_is(directory, dispatches):
    good = True
    for sanitizer in (None, "thread", "address,undefined"):
        program = build(SOURCE, directory, sanitizer, "stress")
        ok, line = passes([program, str(dispatches)], 1800)
        print(f"{sanitizer or 'plain'}: {'ok' if ok else 'FAILED'}: {line}", flush=True)
        good = good and ok
        for tests in UNIT_TESTS:
            ok, line = passes([build(SOURCE, directory, sanitizer, tests)])
            print(f"{sanitizer or 'plain'}: {tests}: {'ok' if ok else 'FAILED: ' + line}", flush=True)
            good = good and ok
    valgrind = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite",
                "--fair-sched=yes"]
    ok, line = passes([*valgrind, os.path.join(directory, "stress-plain"), str(dispatches // 10)], 1800)
    print(f"valgrind memcheck: {'ok' if ok else 'FAILED'}: {line}", flush=True)
    return good and ok


def caught(name, directory, file, old, new):
    tree = os.path.join(directory, "mutant")
    shutil.rmtree(tree, ignore_errors=True)
    for part in ("src", "tests/session"):
        shutil.copytree(os.path.join(SOURCE, part), os.path.join(tree, part))
    path = os.path.join(tree, "src", "session", file)
    with open(path, encoding="utf-8") as source:
        text = source.read()
    if old not in text:
        print(f"mutant '{name}': its line is not in {file} any more")
        return False
    with open(path, "w", encoding="utf-8") as source:
        source.write(text.replace(old, new))
    for sanitizer in ("address", "thread"):
        for program, arguments in (("test_registry", []), ("test_removal", []), ("stress", ["100000"])):
            ok, line = passes([build(tree, tree, sanitizer, program), *arguments], 20)
            if not ok:
                print(f"mutant '{name}': caught by {program} ({sanitizer}): {line[:150]}", flush=True)
                return True
    print(f"mutant '{name}': LIVES")
    return False


def main():
    dispatches = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
    with tempfile.TemporaryDirectory(prefix="homeward-stress-") as directory:
        good = as_it_is(directory, dispatches)
        for mutant in MUTANTS:
            good = caught(mutant[0], directory, *mutant[1:]) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
