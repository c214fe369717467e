# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""What system tests share: the program under test, workloads, what the machine allows, tidy endings.

A test file defines functions whose names begin with "test_" and say what must hold, and ends with
hw.main(globals()). Each test gets a fresh directory as its working directory. A test that cannot run here
calls hw.skip(reason); a file whose tests all skip is skipped as a whole.
"""

import collections
import contextlib
import ctypes
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("HW_BUILD", os.path.join(SOURCE, "build"))
HOMEWARD = os.path.join(BUILD, "src", "cli", "homeward")
NOBODY = 65534
PATIENCE = 180  # seconds: what is waited for comes much sooner, but on a machine that is busy with other things
os.environ["HOMEWARD_SOCKET"] = ""  # a daemon that serves this machine is not what is tested
# What runs in the background of a shell or under nohup ignores these, and so would every recorder that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)
for ended_by in signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT:
    signal.signal(ended_by, signal.SIG_DFL)
BPF, PERF_EVENT_OPEN, PTRACE = 321, 298, 101  # system calls of x86-64


class Skipped(Exception):
    """The test cannot run on this machine, for the reason given."""


def skip(reason):
    raise Skipped(reason)


def workload(name):
    return os.path.join(BUILD, "tests", "workloads", name)


def late_bpf(times):
    """A command that loads a BPF program, hw_late, when it has run for a while, and runs it."""
    return ["/usr/bin/python3", os.path.join(SOURCE, "tests", "system", "late_bpf.py"), str(times)]


def doctor():
    """What "homeward doctor --json" says of this machine."""
    return json.loads(run("doctor", "--json", status=None).stdout)


def need_root():
    if os.geteuid() != 0:
        skip("needs root")


def need_recording():
    """Skip unless this machine can record."""
    blocker = doctor()["blocker"]
    if blocker:
        skip("this machine cannot record: " + blocker)


def need_perf_event_open():
    dump = next(backend for backend in doctor()["backends"] if backend["name"] == "dump")
    if not dump["command"]:
        skip("perf_event_open is refused here")


def need_tool(name):
    path = shutil.which(name)
    if not path:
        skip(f"needs {name}")
    return path


def run(*arguments, status=0, timeout=PATIENCE, program=HOMEWARD, **options):
    """Run homeward with these arguments; fail unless it ends with this exit status (None: any)."""
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    done = subprocess.run([program, *map(str, arguments)], text=True, timeout=timeout, check=False, **options)
    if status is not None and done.returncode != status:
        raise AssertionError(
            f"{' '.join(map(str, arguments))}: exit status {done.returncode}, not {status}\n"
            f"stdout: {(done.stdout or '')[-2000:]}\nstderr: {(done.stderr or '')[-2000:]}"
        )
    return done


def run_as_nobody(*arguments, **options):
    """Like run(), without any right, from a copy that nobody may execute wherever the build stands."""
    need_root()
    os.chmod(".", 0o755)
    program = shutil.copy(HOMEWARD, os.path.abspath("homeward"))
    return run(*arguments, program=program, user=NOBODY, group=NOBODY, extra_groups=[], **options)


def forbid(*numbers):
    """For preexec_fn: a seccomp filter that answers these system calls with EPERM."""

    def install():
        steps = [(0x20, 0, 0, 0)]  # load the number of the call
        for i, number in enumerate(numbers):
            steps.append((0x15, len(numbers) - i, 0, number))
        steps += [(0x06, 0, 0, 0x7fff0000), (0x06, 0, 0, 0x00050001)]  # allow; EPERM
        code = b"".join(struct.pack("HBBI", *step) for step in steps)
        buffer = ctypes.create_string_buffer(code)
        program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(buffer))
        libc = ctypes.CDLL(None, use_errno=True)
        assert not libc.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        assert not libc.prctl(22, 2, program, 0, 0)  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER

    return install


class Background:
    """A process of ours that is ended with the block: with Background([...]) as process."""

    def __init__(self, command, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stdout", subprocess.DEVNULL)
        self.process = subprocess.Popen([str(word) for word in command], **options)

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def record(*arguments, output="test.data", **options):
    """Record into output; the lines that homeward printed are in the result's stderr."""
    run("record", "-o", output, *arguments, **options)
    return output


Sample = collections.namedtuple("Sample", "pid time_ns cpu")


class Growing:
    """A recording, not compressed, that somebody is writing."""

    def __init__(self, path):
        self.path, self.at, self.found = path, 0, []

    def samples(self):
        """What is in it by now."""
        if not os.path.exists(self.path):
            return self.found
        with open(self.path, "rb") as file:
            if not self.at:
                head = file.read(48)
                self.at = struct.unpack_from("<Q", head, 40)[0] if len(head) == 48 else 0
            file.seek(self.at)
            data = file.read() if self.at else b""
        at = 0
        while at + 40 <= len(data):
            kind, _, size = struct.unpack_from("<IHH", data, at)
            if size < 8 or at + size > len(data):
                break
            if kind == 9:  # PERF_RECORD_SAMPLE: ip, pid, tid, time, cpu
                self.found.append(Sample(*struct.unpack_from("<I4xQI", data, at + 16)))
            at += size
        self.at += at
        return self.found

    def of(self, pid):
        """How many samples of a process are in it by now."""
        return sum(sample.pid == pid for sample in self.samples())


def wait_samples(path, least=100, pid=None, patience=PATIENCE):
    """Wait until a recording has so many samples, or so many of one process."""
    recording = Growing(path)
    until(lambda: (recording.of(pid) if pid else len(recording.samples())) >= least, patience)


def wait_begun(process, seconds=0.1):
    """Wait until a process is past its start: it has been on a CPU for so long."""
    def cpu_ticks():
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
            return sum(map(int, file.read().rpartition(")")[2].split()[11:13]))  # utime, stime
    until(lambda: cpu_ticks() >= 100 * seconds)


def wait_sampling(recorder):
    """Wait until a recorder, whose stderr is a pipe, says that it samples."""
    said = ""
    while "sampling" not in said:
        line = recorder.stderr.readline()
        assert line, "it never said that it samples: " + said
        said += line if isinstance(line, str) else line.decode()


def record_enough(least, *arguments, seconds=1, output="test.data"):
    """Record for so long and until there are so many samples; what homeward printed."""
    with contextlib.suppress(FileNotFoundError):
        os.remove(output)  # what is in there counts for nothing
    with Background([HOMEWARD, "record", "-o", output, *arguments], stderr=subprocess.PIPE, text=True) as recorder:
        end = time.monotonic() + seconds
        recording = Growing(output)
        until(lambda: recorder.poll() is not None or (len(recording.samples()) >= least and time.monotonic() >= end))
        recorder.send_signal(signal.SIGINT)
        _, said = recorder.communicate(timeout=PATIENCE)
        assert recorder.returncode == 0, (recorder.returncode, said)
    return said


def stats(path):
    """What "homeward stats --json" says, with its sums checked."""
    account = json.loads(run("stats", "--json", path).stdout)
    assert account["asked"] <= account["user_samples"] <= account["samples"], account
    assert sum(account["ended"].values()) == account["answered"], account
    assert sum(account["refused"].values()) == account["user_samples"] - account["asked"], account
    assert sum(account["unanswered"].values()) == account["asked"] - account["answered"], account
    return account


def folded(path, *arguments):
    """The folded stacks as a dictionary of stack (a tuple of names, root first) to samples."""
    stacks = {}
    for line in run("export", "--to", "folded", path, *arguments, timeout=PATIENCE).stdout.splitlines():
        names, _, count = line.rpartition(" ")
        key = tuple(names.split(";"))
        stacks[key] = stacks.get(key, 0) + int(count)
    return stacks


def until(condition, seconds=PATIENCE, told=lambda: ""):
    """Wait until condition() is true; fail if it is not in time, with what told() says then."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {told()}"
        time.sleep(0.02)


def one_line(text):
    """The only line of text, which must not be empty."""
    lines = text.strip().splitlines()
    assert len(lines) == 1 and lines[0], f"not one line: {text!r}"
    return lines[0]


def main(names):
    """Run the tests of a file; the process exits 0, 1, or 77 if all of them were skipped."""
    tests = {name: function for name, function in names.items() if name.startswith("test_")}
    chosen = sys.argv[1:] or list(tests)
    reasons, failed, passed = [], [], 0
    for name in chosen:
        home = os.getcwd()
        directory = tempfile.mkdtemp(prefix="homeward-test-")
        os.chdir(directory)
        started = time.monotonic()
        try:
            tests[name]()
            passed += 1
            print(f"ok      {name} ({time.monotonic() - started:.1f} s)")
        except Skipped as reason:
            reasons.append(str(reason))
            print(f"skipped {name}: {reason}")
        except Exception:  # whatever it is, the next test shall run
            failed.append(name)
            print(f"FAILED  {name}")
            traceback.print_exc(file=sys.stdout)
        finally:
            os.chdir(home)
            shutil.rmtree(directory, ignore_errors=True)
        sys.stdout.flush()
    if failed:
        print("failed: " + ", ".join(failed))
        sys.exit(1)
    if reasons and os.environ.get("HW_NO_SKIP") == "1":
        print("skipped, which is not allowed here (HW_NO_SKIP=1): " + "; ".join(sorted(set(reasons))))
        sys.exit(1)
    if not passed:
        print("; ".join(sorted(set(reasons))) or "no test")
        sys.exit(77)
    sys.exit(0)
