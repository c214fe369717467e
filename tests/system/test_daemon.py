#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""homeward daemon: many record at once, each sees what it may, and none disturbs another."""

import ctypes
import contextlib
import json
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import time

import hw
from daemon import (ADD_PROCESS, CALLCHAIN, HELLO, LOST, PROCESSES, SAMPLE, START, STARTED, STOP, STOPPED, USER_DEFERRED, Daemon,
                    Ring, answer, busy, message, refusal, stop, wish)
from hw import wait_samples

OTHER = 12321  # a user of no account


def program_for_all():
    return shutil.copy(hw.HOMEWARD, os.path.abspath("homeward"))


def as_user(uid):
    return {"user": uid, "group": uid, "extra_groups": []}


def test_record_uses_the_daemon_and_gets_complete_stacks():
    hw.need_recording()
    with Daemon() as daemon:
        done = daemon.record("--", *busy(2))
        assert "with the daemon backend" in done.stderr
        account = hw.stats("test.data")
        assert account["backend"] == "daemon" and account["asked"] > 100, account
        assert account["ended"].get("complete", 0) >= 0.95 * account["answered"]
        assert any("perl" in names for stack in hw.folded("test.data") for names in stack)
        assert not account["lost"]["samples"], account


def test_two_clients_get_their_own_rate_and_filter():
    hw.need_recording()
    with Daemon() as daemon, hw.Background(busy(600)) as one, hw.Background(busy(600)) as other:
        clients = [daemon.start_record("-F", rate, "-p", str(pid), output=name)
                   for rate, pid, name in (("999", one.pid, "a.data"), ("199", other.pid, "b.data"))]
        wait_samples("b.data", 300)
        for client in clients:
            status, text = stop(client)
            assert status == 0, text
        seen = {name: {line.split()[1] for line in hw.run("script", name, timeout=hw.PATIENCE).stdout.splitlines()
                       if line and not line[0].isspace()} for name in ("a.data", "b.data")}
        assert seen == {"a.data": {str(one.pid)}, "b.data": {str(other.pid)}}, seen
        assert hw.stats("a.data")["samples"] > 2 * hw.stats("b.data")["samples"]


def begin(daemon, process, **of_wish):
    """A recording of one process by hand: its socket and ring; it has not been started."""
    client = daemon.connect()
    client.send(message(HELLO, wish(kind=PROCESSES, **of_wish)))
    ring = Ring(client)
    client.send(message(ADD_PROCESS, pid=process.pid))
    return client, ring


def test_one_program_makes_two_recordings_at_once_and_each_gets_its_own():
    hw.need_recording()

    def sampled(ring):
        return [struct.unpack_from("=I", body, 8)[0] for kind, body in ring.read() if kind == SAMPLE]

    def both_have_some():
        for mine, ring in zip(seen, rings):
            mine += sampled(ring)
        return all(len(mine) > 100 for mine in seen)

    seen = [], []
    with Daemon() as daemon, hw.Background(busy(600)) as one, hw.Background(busy(600)) as other:
        clients, rings = zip(*(begin(daemon, process, rate=499) for process in (one, other)))
        for client in clients:
            client.send(message(START))
        for client in clients:
            assert answer(client)[0] == STARTED
        hw.until(both_have_some)
        assert set(seen[0]) == {one.pid} and set(seen[1]) == {other.pid}, [set(mine) for mine in seen]
        clients[0].close()  # the end of the one is none of the other's business
        sampled(rings[1])
        hw.until(lambda: set(sampled(rings[1])) == {other.pid})
        clients[1].close()


def test_64_clients_record_at_once_each_its_own_and_a_65th_is_told():
    hw.need_recording()
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(hw.Background(busy(600))) for _ in range(4)]
        daemon = stack.enter_context(Daemon())
        clients = [begin(daemon, processes[i % 4], rate=499, ring_bytes=1 << 20) for i in range(64)]
        assert "more than 64 sessions" in refusal(daemon, message(HELLO, wish()))
        for client, _ in clients:
            client.send(message(START))
        for client, _ in clients:
            said = answer(client)
            assert said[0] == STARTED, said
        assert daemon.status()["sessions"] == 64
        records = [[] for _ in clients]

        def everyone_has_some():
            for mine, (_, ring) in zip(records, clients):
                mine += ring.read()
            return all(any(kind == SAMPLE for kind, _ in mine) for mine in records)

        hw.until(everyone_has_some)
        for client, _ in clients:
            client.send(message(STOP))
        for client, _ in clients:
            assert answer(client)[0] == STOPPED
        everyone_has_some()
        for i, mine in enumerate(records):
            samples = [body for kind, body in mine if kind == SAMPLE]
            assert {struct.unpack_from("=I", body, 8)[0] for body in samples} == {processes[i % 4].pid}, i
            # in each ring: who asked for a stack got it
            asked = {struct.unpack_from("=Q", body, len(body) - 8)[0] for body in samples
                     if struct.unpack_from("=Q", body, len(body) - 16)[0] == USER_DEFERRED}
            answered = {struct.unpack_from("=Q", body)[0] for kind, body in mine if kind == CALLCHAIN}
            assert asked <= answered and asked, (i, len(asked), len(answered))
            assert not any(kind == LOST for kind, _ in mine)
        clients[0][0].close()
        hw.until(lambda: daemon.status()["sessions"] == 63)
        clients[0] = begin(daemon, processes[0])
        assert "more than 64 sessions" in refusal(daemon, message(HELLO, wish()))
        for _ in range(20):  # a bit that is just becoming free is waited for, and so is what was said meanwhile
            clients[0][0].close()
            client = daemon.connect()
            for each in message(HELLO, wish(kind=PROCESSES)), message(ADD_PROCESS, pid=processes[0].pid), message(START):
                client.send(each)
            clients[0] = client, Ring(client)
            assert answer(client)[0] == STARTED
        for client, _ in clients:
            client.close()
        daemon.record("-a", "-d", "0.3")


def test_who_starts_is_told_what_there_is_as_fast_as_it_reads_and_stops_nobody():
    hw.need_recording()
    script = ("import mmap, time; file = open('/usr/bin/perl', 'rb'); "
              "maps = [mmap.mmap(file.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)"
              " for _ in range(1500)]; print(flush=True); time.sleep(600)")
    with contextlib.ExitStack() as stack:
        much = stack.enter_context(hw.Background(["/usr/bin/python3", "-c", script], stdout=subprocess.PIPE))
        much.stdout.readline()  # there are 1500 mappings to tell of
        process, daemon = stack.enter_context(hw.Background(busy(600))), stack.enter_context(Daemon())
        witness = daemon.start_record("-q", "-p", str(process.pid), output="witness.data")
        wait_samples("witness.data", 10)
        client, ring = begin(daemon, much, ring_bytes=65536)
        with client:
            client.send(message(START))
            before = len(hw.Growing("witness.data").samples())
            wait_samples("witness.data", before + 50)  # nobody has read anything of the ring
            client.setblocking(False)
            records = []

            def started():
                records.extend(ring.read())
                with contextlib.suppress(BlockingIOError):
                    return answer(client)[0] == STARTED
                return False

            hw.until(started)
        told = sum(len(body) + 8 for kind, body in records)
        assert told > 65536, told
        assert not any(kind == LOST for kind, _ in records)
        assert stop(witness)[0] == 0


def test_without_a_daemon_and_with_standalone_record_is_on_its_own():
    hw.need_recording()
    hw.record("-d", "0.3", "-a")
    assert hw.stats("test.data")["backend"] == "bpf"
    with Daemon():
        hw.record("--standalone", "-d", "0.3", "-a", output="own.data")
        assert hw.stats("own.data")["backend"] == "bpf"
    done = hw.run("record", "--socket", os.path.abspath("none.sock"), "-d", "0.3", status=1)
    assert "no homeward daemon answers at" in hw.one_line(done.stderr)


def test_in_a_pid_namespace_nobody_asks_the_daemon():
    hw.need_recording()
    with Daemon() as daemon:
        done = hw.run("--pid", "--fork", "--mount-proc", hw.HOMEWARD, "record", "--socket", daemon.path, "-d", "0.3",
                      program="unshare", status=1)
        assert "PID namespace" in hw.one_line(done.stderr)


def test_a_second_daemon_and_impossible_places_get_one_clear_line():
    hw.need_recording()
    with Daemon() as daemon:
        done = hw.run("daemon", "--socket", daemon.path, status=1)
        assert "a daemon is at" in hw.one_line(done.stderr)
        daemon.record("-d", "0.2", "-a")  # the first is unaffected
    assert not os.path.exists(daemon.path)
    with open("file", "w", encoding="ascii") as file:
        file.write("precious")
    done = hw.run("daemon", "--socket", os.path.abspath("file"), status=1)
    assert "is no socket" in hw.one_line(done.stderr)
    assert os.path.getsize("file") == len("precious")
    done = hw.run("daemon", "--socket", "/proc/none/d.sock", status=1)
    assert "cannot make" in hw.one_line(done.stderr)
    done = hw.run("daemon", "--socket", "/tmp/" + 200 * "x", status=1)
    assert "too long" in hw.one_line(done.stderr)


def test_a_socket_that_a_dead_daemon_left_is_replaced():
    hw.need_recording()
    with Daemon() as daemon:
        daemon.process.kill()
        daemon.process.wait()
        assert os.path.exists(daemon.path)
    with Daemon() as daemon:
        daemon.record("-d", "0.2", "-a")


def test_when_the_daemon_dies_its_clients_say_so_and_their_files_are_readable():
    hw.need_recording()
    with Daemon() as daemon, hw.Background(busy(600)):
        client = daemon.start_record("-q", "-a")
        wait_samples("test.data")
        daemon.process.kill()
        daemon.process.wait()
        _, text = client.communicate(timeout=hw.PATIENCE)
        assert client.returncode == 1
        assert "the homeward daemon is gone" in hw.one_line(text)
        assert hw.stats("test.data")["samples"] > 50


def test_when_the_daemon_is_told_to_end_its_clients_hear_it():
    hw.need_recording()
    with Daemon() as daemon, hw.Background(busy(600)):
        client = daemon.start_record("-q", "-a")
        wait_samples("test.data")
        daemon.process.terminate()
        _, text = client.communicate(timeout=hw.PATIENCE)
        assert client.returncode == 1 and "the daemon ends" in hw.one_line(text)
        assert daemon.process.wait(hw.PATIENCE) == 0
        assert hw.stats("test.data")["samples"] > 50


@contextlib.contextmanager
def at_once():
    """What runs in here runs before whatever else the machine does."""
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    os.setpriority(os.PRIO_PROCESS, 0, -10)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, nice)


def test_a_killed_client_is_gone_within_a_second():
    hw.need_recording()
    with at_once(), Daemon() as daemon:
        daemon.record("-d", "0.2", "-a")
        hw.until(lambda: daemon.ring_maps() == 0)
        before = daemon.descriptors()
        took = []
        while not took or (took[-1] > 1 and len(took) < 5):  # a machine can be slow once
            os.unlink("test.data")
            client = daemon.start_record("-q", "-a", stderr=subprocess.DEVNULL)
            wait_samples("test.data", 1)
            client.kill()
            client.wait()
            begun = time.monotonic()
            hw.until(lambda: daemon.ring_maps() == 0 and daemon.descriptors() <= before)
            took.append(time.monotonic() - begun)
        assert took[-1] <= 1, took


def test_a_stopped_client_loses_its_own_records_which_its_file_tells_and_no_other_does():
    hw.need_recording()
    with hw.Background(busy(600)), hw.Background(busy(600)), at_once(), Daemon() as daemon:
        good = daemon.start_record("-q", "-a", "-F", "4999", output="good.data")
        slow = daemon.start_record("-q", "-a", "-F", "4999", output="slow.data")
        wait_samples("slow.data")
        slow.send_signal(signal.SIGSTOP)
        # 2 CPUs × 5 kHz × 2 × 300 bytes fill 8 MiB in two or three seconds
        wait_samples("good.data", len(hw.Growing("good.data").samples()) + 60000)
        slow.send_signal(signal.SIGCONT)
        wait_samples("slow.data", len(hw.Growing("slow.data").samples()) + 1)
        assert stop(good)[0] == 0 and stop(slow)[0] == 0
        lost = hw.stats("slow.data")
        assert lost["lost"]["samples"] > 1000, lost
        kept = hw.stats("good.data")
        assert kept["lost"]["samples"] < lost["lost"]["samples"] / 20, (kept, lost)


def test_messages_that_make_no_sense_get_one_line_and_disturb_nobody():
    hw.need_recording()
    hello = message(HELLO, wish())
    wrong = {
        "not a message": [b"x"],
        "nothing": [b"\0" * 495],
        "too long": [b"\0" * 100000],
        "another protocol": [message(HELLO, wish(), magic=7)],
        "another version": [message(HELLO, wish(), version=9)],
        "unknown": [message(999)],
        "start before hello": [message(START)],
        "stop before start": [hello, message(STOP)],
        "hello twice": [hello, hello],
        "start twice": [hello, message(START), message(START)],
        "a process for all": [hello, message(ADD_PROCESS, pid=1)],
        "no process": [message(HELLO, wish(kind=PROCESSES)), message(ADD_PROCESS, pid=-1)],
        "no rate": [message(HELLO, wish(rate=0))],
        "no such filter": [message(HELLO, wish(kind=77))],
        "no such event": [message(HELLO, wish(event=b"no-such-event"))],
        "a name without end": [message(HELLO, wish(event=b"x" * 32))],
        "a rate over the limit": [message(HELLO, wish(rate=10**12))],
        "a ring of no power of two": [message(HELLO, wish(ring_bytes=70000))],
        "a ring of a terabyte": [message(HELLO, wish(ring_bytes=1 << 40))],
    }
    with Daemon() as daemon, hw.Background(busy(600)):
        witness = daemon.start_record("-q", "-a", output="witness.data")
        wait_samples("witness.data")
        before = daemon.descriptors()
        for what, messages in wrong.items():
            assert refusal(daemon, *messages), what
        assert daemon.lines().count("client ") >= len(wrong), daemon.lines()
        with daemon.connect() as client:  # descriptors that nobody asked for are closed
            socket.send_fds(client, [message(HELLO, wish())], [0, 1, 2])
        hw.until(lambda: daemon.descriptors() <= before)
        status, text = stop(witness)
        assert status == 0, text
        assert hw.stats("witness.data")["lost"]["samples"] == 0


def test_a_client_that_writes_nonsense_into_its_ring_harms_itself_only():
    hw.need_recording()
    with Daemon() as daemon, hw.Background(busy(600)):
        witness = daemon.start_record("-q", "-a", output="witness.data")
        with daemon.connect() as client:
            client.send(message(HELLO, wish(rate=999, ring_bytes=65536)))
            _, descriptors, _, _ = socket.recv_fds(client, 4096, 2)
            client.send(message(START))
            for _ in range(200):
                try:
                    os.pwrite(descriptors[0], random.randbytes(4096), 0)
                    os.pwrite(descriptors[0], random.randbytes(64), 4096 + random.randrange(65000))
                except OSError as error:
                    raise AssertionError("the client's own ring cannot be written") from error
                time.sleep(0.01)
            try:
                os.ftruncate(descriptors[0], 0)
                raise AssertionError("the ring can be cut off under the daemon")
            except PermissionError:
                pass
            for descriptor in descriptors:
                os.close(descriptor)
        assert daemon.process.poll() is None
        status, text = stop(witness)
        assert status == 0 and hw.stats("witness.data")["lost"]["samples"] == 0, text


def test_limits_of_a_user_are_told_in_one_line():
    hw.need_recording()
    program = program_for_all()

    def refused(*options):
        done = hw.run("record", "--socket", daemon.path, "-o", "/dev/null", "-d", "0.2", *options, status=1,
                      program=program, **as_user(OTHER))
        return hw.one_line(done.stderr)

    with Daemon("--max-sessions", "1", "--max-rate", "2000", "--max-memory", "12") as daemon:
        os.mkdir("pub")
        os.chown("pub", OTHER, OTHER)
        assert "over the daemon's limit of 2000 Hz" in refused("-F", "2001")
        assert "over the daemon's limit of 2000 Hz" in refused("-e", "cpu-clock", "-c", "400000")
        client = subprocess.Popen([program, "record", "-q", "--socket", daemon.path, "-o", "pub/a.data"],
                                  stdin=subprocess.DEVNULL, **as_user(OTHER))
        hw.until(lambda: daemon.ring_maps() == 1)
        assert "has 1 sessions already" in refused()
        client.send_signal(signal.SIGINT)
        assert client.wait(hw.PATIENCE) == 0
    with Daemon("--max-sessions", "9", "--max-memory", "12") as daemon:
        client = subprocess.Popen([program, "record", "-q", "--socket", daemon.path, "-o", "pub/b.data"],
                                  stdin=subprocess.DEVNULL, **as_user(OTHER))
        hw.until(lambda: daemon.ring_maps() == 1)
        assert "rings are over the daemon's limit" in refused()
        client.send_signal(signal.SIGINT)
        assert client.wait(hw.PATIENCE) == 0


def hide_the_kernel():
    """For preexec_fn: whatever this machine says, to the process it says that addresses are not for everyone."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert not libc.unshare(0x20000)  # CLONE_NEWNS
    assert not libc.mount(None, b"/", None, 0x44000, None)  # MS_REC | MS_PRIVATE
    assert not libc.mount(b"two", b"/proc/sys/kernel/perf_event_paranoid", None, 0x1000, None)  # MS_BIND


def test_kernel_code_that_comes_is_told_to_those_who_may_see_the_kernel_only():
    hw.need_recording()
    os.mkdir("pub")
    os.chown("pub", OTHER, OTHER)
    with open("two", "w", encoding="ascii") as file:
        file.write("2\n")
    other = [program_for_all(), "record", "-o", "pub/other.data", "--socket"]
    for options in {}, {"preexec_fn": hide_the_kernel}:
        with Daemon(**options) as daemon:
            own = daemon.start_record("-p", str(daemon.process.pid))
            limited = subprocess.Popen([*other, daemon.path], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                       text=True, **as_user(OTHER))
            for client in own, limited:
                hw.wait_sampling(client)
            hw.run(*hw.late_bpf(2)[1:], program="/usr/bin/python3")
            for client in own, limited:
                client.send_signal(signal.SIGINT)
                assert client.wait(hw.PATIENCE) == 0
        assert "_hw_late" in hw.run("script", "-D", "test.data").stdout
        seen = hw.run("script", "-D", "pub/other.data").stdout
        assert ("_hw_late" in seen) == ("PERF_RECORD_KSYMBOL" in seen) == ("kernel.kallsyms" in seen)
    assert "_hw_late" not in seen and "PERF_RECORD_KSYMBOL" not in seen


def test_a_user_without_rights_is_told_once_that_only_own_processes_are_seen():
    hw.need_recording()
    with Daemon() as daemon:
        options = {"program": program_for_all(), **as_user(OTHER)}
        done = hw.run("record", "--socket", daemon.path, "-o", "/dev/null", "-d", "0.3", **options)
        assert done.stderr.count("seen are processes of this user only") == 1, done.stderr
        done = hw.run("record", "-q", "--socket", daemon.path, "-o", "/dev/null", "-d", "0.3", **options)
        assert not done.stderr
        assert "of this user only" not in daemon.record("-d", "0.3", "-a").stderr  # root sees everything


def test_the_daemon_keeps_few_capabilities_and_its_compiler_none():
    hw.need_recording()

    def status(pid, field):
        with open(f"/proc/{pid}/status", encoding="ascii") as lines:
            return next(line.split()[1] for line in lines if line.startswith(field + ":"))

    kept = sum(1 << bit for bit in (2, 19, 34, 38, 39, 40))  # linux/capability.h
    with Daemon() as daemon:
        daemon.record("-d", "0.2", "-a")
        for field in ("CapEff", "CapPrm", "CapBnd"):
            assert int(status(daemon.process.pid, field), 16) & ~kept == 0, field
        assert status(daemon.process.pid, "NoNewPrivs") == "1"
        compilers = daemon.children("hw-compiler")
        assert compilers
        for pid in compilers:
            assert int(status(pid, "CapEff"), 16) == 0 and int(status(pid, "CapPrm"), 16) == 0
            assert status(pid, "Uid") != "0"
        reading = sum(1 << bit for bit in (2, 19, 40))
        opener, = daemon.children("hw-opener")
        for field in ("CapEff", "CapPrm"):
            assert int(status(opener, field), 16) & ~reading == 0, field
        assert status(opener, "NoNewPrivs") == "1"


def at_rest(look):
    """What look() says when it has said the same for a second: the loader opens something for a moment now and then."""
    said = []
    while len(said) < 10 or any(each != said[-1] for each in said[-10:]):
        said.append(look())
        time.sleep(0.1)
    return said[-1]


def test_clients_killed_at_random_leave_nothing_behind_and_get_nothing_of_others():
    hw.need_recording()
    count = int(os.environ.get("HW_KILLED_CLIENTS", "24"))

    def recorded(i):
        return {sample.pid for sample in hw.Growing(f"{i}.data").samples()}

    with contextlib.ExitStack() as stack:
        busy_ones = [stack.enter_context(hw.Background(busy(600))) for _ in range(4)]
        daemon = stack.enter_context(Daemon())
        for _ in range(3):
            daemon.record("-d", "0.2", "-a")
        hw.until(lambda: daemon.ring_maps() == 0)
        before, kernel, own = at_rest(daemon.descriptors), at_rest(daemon.of_the_kernel), daemon.own_kib()
        seen = 0
        for _ in range(count // 8):
            for i in range(8):
                with contextlib.suppress(FileNotFoundError):
                    os.remove(f"{i}.data")
            clients = [daemon.start_record("-q", "-F", str(499 + i), *(["-p", str(busy_ones[i].pid)] if i < 4 else ["-a"]),
                                           output=f"{i}.data", stderr=subprocess.DEVNULL) for i in range(8)]
            hw.until(lambda: any(map(recorded, range(8))))
            for client in random.sample(clients, len(clients)):
                time.sleep(random.uniform(0, 0.1))
                client.kill()
            for client in clients:
                client.wait()
            for i in range(8):
                assert i >= 4 or recorded(i) <= {busy_ones[i].pid}, (i, recorded(i), busy_ones)
                seen += bool(recorded(i))
        assert seen >= count / 8, seen  # at least one of each eight lived long enough to be given something
        hw.until(lambda: daemon.ring_maps() == 0 and daemon.descriptors() <= before)
        daemon.record("-d", "0.3", "-a")
        hw.until(lambda: daemon.descriptors() <= before and daemon.of_the_kernel() == kernel, told=lambda: (
            before, daemon.descriptors(), kernel, daemon.of_the_kernel()))
        status = daemon.status()
        assert status["sessions"] == status["kernel_events"] == 0, status
        assert daemon.own_kib() < own + 4096, (own, daemon.own_kib())
        ids = daemon.kernel_ids()
        daemon.process.terminate()
        assert daemon.process.wait(hw.PATIENCE) == 0
        hw.until(lambda: not ids & ids_of_the_kernel())


def ids_of_the_kernel():
    """Numbers of all BPF maps and programs that there are."""
    def ids(what):
        done = subprocess.run([hw.need_tool("bpftool"), "-j", what, "show"], capture_output=True, check=True, text=True)
        return {(what + "_id", each["id"]) for each in json.loads(done.stdout)}
    return ids("map") | ids("prog")


def test_a_compiler_that_is_killed_costs_one_table_and_the_daemon_nothing():
    hw.need_recording()

    def copy_of_perl(name):
        shutil.copy("/usr/bin/perl", name)
        return ["nice", os.path.abspath(name), "-e", "$e = time + 600; 1 while time < $e"]  # as everything else

    with at_once(), Daemon("--no-cache") as daemon:
        client = daemon.start_record("-q", "-a")
        wait_samples("test.data", 10)
        for number in signal.SIGKILL, signal.SIGSEGV:
            compiler, = daemon.children("hw-compiler")
            os.kill(compiler, signal.SIGSTOP)
            with hw.Background(copy_of_perl(f"lost-{number:d}")) as process:
                wait_samples("test.data", 100, process.pid)  # its table is asked for
                os.kill(compiler, number)
                os.kill(compiler, signal.SIGCONT)
                with hw.Background(copy_of_perl(f"found-{number:d}")) as process:
                    wait_samples("test.data", 1000, process.pid)
            assert daemon.process.poll() is None and compiler not in daemon.children("hw-compiler")
        status, text = stop(client)
        assert status == 0, text
    for number in signal.SIGKILL, signal.SIGSEGV:
        assert hw.folded("test.data", "--comm", f"lost-{number:d}")
        stacks = hw.folded("test.data", "--comm", f"found-{number:d}")
        whole = sum(count for stack, count in stacks.items() if "Perl_runops_standard" in stack and "_start" in stack)
        assert whole > 0.8 * sum(stacks.values()) > 50, (number, whole, sum(stacks.values()))


def test_systemd_finds_no_fault_with_the_units_and_passes_its_socket():
    hw.need_recording()
    hw.need_tool("systemd-analyze")
    for unit in "homeward.service", "homeward.socket":
        shutil.copy(os.path.join(hw.BUILD if unit.endswith("service") else hw.SOURCE, "systemd", unit), unit)
    with open("homeward.service", encoding="ascii") as unit:
        text = unit.read()
    start = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    with open("homeward.service", "w", encoding="ascii") as unit:
        unit.write(text.replace(start, f"ExecStart={hw.HOMEWARD} daemon"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", "./homeward.service", "./homeward.socket"],
                          capture_output=True, text=True, check=False, timeout=hw.PATIENCE)
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "homeward" in line]
    assert done.returncode == 0 and not complaints, done.stderr
    path = os.path.abspath("s.sock")
    with hw.Background(["systemd-socket-activate", "--seqpacket", "-l", path, hw.HOMEWARD, "daemon"],
                       stderr=subprocess.DEVNULL):
        hw.until(lambda: os.path.exists(path))
        hw.run("record", "--socket", path, "-o", "test.data", "-a", "-d", "0.3")
    assert hw.stats("test.data")["backend"] == "daemon"


if __name__ == "__main__":
    hw.main(globals())
