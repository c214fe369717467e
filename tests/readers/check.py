#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Have every export read by readers that are not ours, and compare what they say with the recording.

    make check-readers            records a few seconds and checks all formats

Needs root to record, and what "scripts/setup readers" installs: go (pprof), hotspot, npm. The npm packages
(speedscope's schema with ajv, the Firefox Profiler's command line with the node that it wants) go into
BUILD/readers. Not part of "make check", because they take 400 MB. Exit status 0 only if all agree.
"""

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.path.join(SOURCE, os.environ.get("BUILD", "build")))
HOMEWARD = os.path.join(BUILD, "src", "cli", "homeward")
READERS = os.path.join(BUILD, "readers")
MODULES = os.path.join(READERS, "node_modules")
NODE = os.path.join(MODULES, "node", "bin", "node")
PACKAGES = ["speedscope@1", "ajv@8", "node@24", "@firefox-devtools/profiler-cli@0.10.0"]
HOTSPOT = ["/usr/lib/x86_64-linux-gnu/libexec/hotspot-perfparser", "/usr/lib/libexec/hotspot-perfparser"]
SCHEMA_CHECK = """
const fs = require("fs"), Ajv = require("ajv");
const schema = JSON.parse(fs.readFileSync("node_modules/speedscope/dist/release/file-format-schema.json"));
const valid = new Ajv({strict: false, allErrors: true}).compile(schema);
const data = JSON.parse(fs.readFileSync(process.argv[1]));
if (!valid(data)) { console.error(JSON.stringify(valid.errors.slice(0, 3))); process.exit(1); }
"""


def run(command, **options):
    return subprocess.run([str(word) for word in command], check=True, text=True, capture_output=True, timeout=300,
                          stdin=subprocess.DEVNULL, **options).stdout


def export(form, *arguments):
    path = os.path.abspath(form)
    run([HOMEWARD, "export", "--to", form, "-o", path, "test.data", *arguments])
    return path


def install():
    if os.path.exists(NODE) and os.path.exists(os.path.join(MODULES, "ajv")):
        return
    print("installing " + ", ".join(PACKAGES) + " into " + os.path.relpath(READERS))
    os.makedirs(READERS, exist_ok=True)
    run(["npm", "install", "--no-fund", "--no-audit", "--prefix", READERS, *PACKAGES], cwd=READERS)
    if not os.path.exists(NODE):  # where npm runs no scripts of packages
        run(["node", "installArchSpecificPackage.js"], cwd=os.path.join(MODULES, "node"))


def record():
    workload = os.path.join(BUILD, "tests", "workloads", "demo")
    run([HOMEWARD, "record", "-a", "-F", 1999, "-o", "test.data", "--", workload, 3])
    return json.loads(run([HOMEWARD, "stats", "--json", "test.data"]))["samples"]


def frames_in_script(path):
    """All frames of a recording, and its samples that have a kernel and a user part."""
    frames = both = 0
    for sample in run([HOMEWARD, "script", "--no-pager", path]).split("\n\n"):
        addresses = [line.split()[0] for line in sample.splitlines() if line.startswith("\t") and "(cookie)" not in line]
        kernel = sum(1 for address in addresses if address.startswith("ffffffff"))
        frames += len(addresses)
        both += 0 < kernel < len(addresses)
    return frames, both


def check_pprof(samples):
    """go tool pprof reads all samples, and its total of CPU time is the sum of all periods."""
    path = export("pprof")
    raw = run(["go", "tool", "pprof", "-raw", path])
    rows = re.findall(r"^ +(\d+) +(\d+): ", raw, re.MULTILINE)
    assert sum(int(count) for count, _ in rows) == samples, "samples in -raw"
    periods = run([HOMEWARD, "export", "--to", "folded", "--weight", "period", "test.data"])
    total_ns = sum(int(line.rpartition(" ")[2]) for line in periods.splitlines())
    assert sum(int(ns) for _, ns in rows) == total_ns, "nanoseconds in -raw"
    top = run(["go", "tool", "pprof", "-symbolize=none", "-top", "-sample_index=samples", path])
    assert f"Total samples = {samples} " in top, top[:300]
    return f"{len(rows)} different stacks, {samples} samples, {total_ns / 1e9:.2f} s"


def check_speedscope(samples):
    """The file is valid by speedscope's own schema."""
    path = export("speedscope")
    run([NODE, "-e", SCHEMA_CHECK, path], cwd=READERS)
    with open(path, encoding="utf-8") as file:
        profiles = json.load(file)["profiles"]
    assert sum(sum(profile["weights"]) for profile in profiles) == samples
    return f"valid by its schema, {len(profiles)} threads, {samples} samples"


class FirefoxProfiler:
    """A session of the Firefox Profiler's command line; starting it sometimes takes a second try."""

    def __init__(self, path):
        self.cli = [NODE, os.path.join(MODULES, "@firefox-devtools", "profiler-cli", "dist", "profiler-cli.js")]
        self.path = path

    def ask(self, *words):
        return run([*self.cli, *words])

    def __enter__(self):
        for _ in range(10):
            try:
                self.ask("load", self.path)
                return self
            except subprocess.CalledProcessError as error:
                waiting = re.search(r"run \"kill (\d+)\"", error.stderr)
                if not waiting:
                    raise
                os.kill(int(waiting[1]), signal.SIGTERM)
                time.sleep(1)
        raise RuntimeError("profiler-cli is never ready in time")

    def __exit__(self, *_):
        self.ask("stop")


def check_firefox(samples):
    """The Firefox Profiler loads it and counts every thread and, in the busiest one, every sample."""
    path = export("firefox")
    os.rename(path, path + ".json")
    with open(path + ".json", encoding="utf-8") as file:
        threads = json.load(file)["threads"]
    with FirefoxProfiler(path + ".json") as profiler:
        listed = json.loads(profiler.ask("thread", "list", "--json"))["threads"]
        shown = profiler.ask("thread", "samples", "--include-idle")
    assert len(listed) == len(threads), (len(listed), len(threads))
    busiest = threads[0]["samples"]["length"]
    assert re.search(rf"\b{busiest} (running )?samples", shown), shown[:400]
    assert sum(thread["samples"]["length"] for thread in threads) == samples
    return f"{len(listed)} threads, {busiest} samples in the busiest one"


def check_firefox_perf(_samples):
    """The Firefox Profiler's importer of perf's text reads what perf makes of the merged file."""
    path = export("perf")
    text = run(["perf", "script", "-i", path, "--max-stack", 1024, "-F", "+pid"])
    with open("perf-script.txt", "w", encoding="utf-8") as file:
        file.write(text)
    with FirefoxProfiler(os.path.abspath("perf-script.txt")) as profiler:
        listed = json.loads(profiler.ask("thread", "list", "--json"))["threads"]
        shown = profiler.ask("thread", "samples", "--include-idle")
    assert any(thread["name"] == "demo" for thread in listed), listed[:3]
    assert re.search(r"\d+ (running )?samples", shown), shown[:400]
    return f"{len(listed)} threads from perf script's text"


def messages(path):
    """The messages of hotspot-perfparser's output: their type and bytes."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:12] == b"QPERFSTREAM\0", data[:16]
    at = 16
    while at < len(data):
        size = struct.unpack_from("<I", data, at)[0]
        yield data[at + 4], data[at + 5 : at + 4 + size]
        at += 4 + size
    assert at == len(data), "it ends inside a message"


def check_hotspot(samples):
    """hotspot's parser reads every sample with all of its frames."""
    parser = next((path for path in HOTSPOT if os.path.exists(path)), HOTSPOT[0])
    run([parser, "--input", export("perf"), "--output", "hotspot.out"])
    count = frames = 0
    for kind, body in messages("hotspot.out"):
        if kind == 13:  # Sample: pid, tid, time, cpu, then the list of frames
            count += 1
            frames += struct.unpack_from(">I", body, 20)[0]
    assert count == samples, (count, samples)
    ours, both = frames_in_script("test.data")
    # where the sample's ip is not the first user address, the parser puts it before: in all kernel samples
    assert ours <= frames <= ours + both + samples // 1000, (frames, ours, both)
    return f"{count} samples, {frames} frames ({ours} recorded, and {both} that the parser adds)"


CHECKS = {
    "go tool pprof": check_pprof,
    "speedscope's schema": check_speedscope,
    "Firefox Profiler": check_firefox,
    "Firefox Profiler, of perf script": check_firefox_perf,
    "hotspot-perfparser": check_hotspot,
}


def main():
    failed = 0
    install()
    directory = tempfile.mkdtemp(prefix="homeward-readers-")
    os.environ["PROFILER_CLI_SESSION_DIR"] = os.path.join(directory, "s")
    os.chdir(directory)
    samples = record()
    print(f"{samples} samples recorded")
    for name, check in CHECKS.items():
        try:
            print(f"ok      {name}: {check(samples)}")
        except Exception as error:  # the next reader shall have its turn
            failed += 1
            output = getattr(error, "stderr", "") or getattr(error, "stdout", "") or ""
            print(f"FAILED  {name}: {type(error).__name__}: {error}\n{output[-800:]}")
        sys.stdout.flush()
    os.chdir(SOURCE)
    shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
