# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The kernel's BPF statistics and maps of a recorder that runs, by libbpf."""

import ctypes
import os
import signal
import struct
import time

from common import hw

PERF_EVENT_PROGRAM = 7  # BPF_PROG_TYPE_PERF_EVENT, linux/bpf.h
MAP_TYPES = {1: "hash", 2: "array", 6: "per-CPU array", 12: "array of maps", 27: "ring"}

library = ctypes.CDLL("libbpf.so.1", use_errno=True)


def failed(what):
    return OSError(ctypes.get_errno(), what)


def enable_statistics():
    """A file descriptor: the kernel keeps BPF run times as long as it is open."""
    descriptor = library.bpf_enable_stats(0)
    if descriptor < 0:
        raise failed("bpf_enable_stats")
    return descriptor


def descriptors(pid):
    """What the kernel says of each of a process's files: dictionaries of fdinfo."""
    directory = f"/proc/{pid}/fdinfo"
    for name in os.listdir(directory):
        try:
            with open(os.path.join(directory, name), encoding="ascii") as file:
                yield {key: value.strip() for key, _, value in (line.partition(":") for line in file)}
        except OSError:
            continue  # closed meanwhile


def runs(recorder):
    """Run time in ns and number of runs of a recorder's sampling program."""
    time_ns = count = 0
    for info in descriptors(recorder.pid):
        if int(info.get("prog_type", -1)) == PERF_EVENT_PROGRAM:
            time_ns += int(info["run_time_ns"])
            count += int(info["run_cnt"])
    return time_ns, count


def kernel_memory(pid):
    """Bytes of kernel memory that a recorder's BPF maps take, by type."""
    found = {}
    for info in descriptors(pid):
        if "map_id" in info:
            found[info["map_id"]] = (MAP_TYPES.get(int(info["map_type"]), "other"), int(info["memlock"]))
    total = {}
    for kind, size in found.values():
        total[kind] = total.get(kind, 0) + size
    return total


class Map:
    """A map of a recorder that runs, found by its name."""

    def __init__(self, pid, name):
        numbers = {int(info["map_id"]) for info in descriptors(pid) if "map_id" in info}
        for number in sorted(numbers):
            self.descriptor = library.bpf_map_get_fd_by_id(number)
            if self.descriptor < 0:
                continue
            info, size = ctypes.create_string_buffer(128), ctypes.c_uint32(128)
            if library.bpf_obj_get_info_by_fd(self.descriptor, info, ctypes.byref(size)):
                raise failed("bpf_obj_get_info_by_fd")
            # struct bpf_map_info: type, id, key_size, value_size, max_entries, map_flags, name
            _, _, _, value_size, entries, _, found = struct.unpack_from("<6I16s", info.raw)
            if found.rstrip(b"\0").decode() == name:
                self.entries, self.value_size = entries, value_size
                return
            os.close(self.descriptor)
        raise LookupError(f"the recorder has no map {name}")

    def words(self, key):
        """An entry, as numbers of eight bytes."""
        value = ctypes.create_string_buffer(self.value_size)
        if library.bpf_map_lookup_elem(self.descriptor, ctypes.byref(ctypes.c_uint32(key)), value):
            raise failed("bpf_map_lookup_elem")
        return struct.unpack(f"<{self.value_size // 8}Q", value.raw)

    def wiper(self):
        """A function that zeroes every entry. While it runs, the kernel drops samples of the CPU that runs it."""
        keys = (ctypes.c_uint32 * self.entries)(*range(self.entries))
        zeros = ctypes.create_string_buffer(self.value_size * self.entries)

        def wipe():
            count = ctypes.c_uint32(self.entries)
            if library.bpf_map_update_batch(self.descriptor, keys, zeros, ctypes.byref(count), None):
                raise failed("bpf_map_update_batch")

        return wipe

    def close(self):
        os.close(self.descriptor)


class Runs:
    """Of a recorder's sampling program: run time in ns, and how many hits became samples, and how many did not."""

    def __init__(self, recorder):
        self.time_ns, self.count = runs(recorder)
        counters = Map(recorder.pid, "counters")
        cpus = [counters.words(cpu) for cpu in range(counters.entries)]
        counters.close()
        # struct hw_counters in bpf/abi.h begins with samples, idle, filtered
        self.samples = sum(words[0] for words in cpus)
        self.unwanted = sum(words[1] + words[2] for words in cpus)

    def since(self, before, unwanted_ns):
        """ns a sample, without the time of hits that became none."""
        unwanted = self.unwanted - before.unwanted
        return (self.time_ns - before.time_ns - unwanted * unwanted_ns) / max(self.samples - before.samples, 1)


def second_of(recorder, unwanted_ns):
    """ns a sample in BPF over a second of a recorder that samples already, which is ended then."""
    hw.until(lambda: runs(recorder)[1] > 1500, 60)
    before = Runs(recorder)
    time.sleep(1)
    ns = Runs(recorder).since(before, unwanted_ns)
    recorder.send_signal(signal.SIGINT)
    recorder.wait()
    return ns
