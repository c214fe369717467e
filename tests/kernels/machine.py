# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""Debian's kernels, booted in QEMU by software emulation, with nothing in them but what is to be tested.

The kernels come from the Debian mirror that this machine's apt is set up for, also from suites that it does not
use: a private apt directory asks for those, the machine's own sources stay as they are, and nothing is installed.
"""

import base64
import glob
import io
import os
import re
import shutil
import subprocess
import tarfile

HERE = os.path.dirname(os.path.abspath(__file__))
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Name, suite, package (the newest that matches), backends that must work on it.
KERNELS = (
    ("6.1", "bookworm", r"linux-image-6\.1\.[\d.+debu-]*-cloud-amd64", ("dump",)),
    ("6.12", "bookworm-backports", r"linux-image-6\.12\.[\d.+debu-]*-cloud-amd64", ("dump",)),
    ("7.3", "trixie-backports", r"linux-binary-7\.3\.[\d.+debu-]*-cloud-amd64", ("bpf", "native", "dump")),
)
# QEMU 7.2 breaks the fast path of 6.12's memory allocator (a double fault in kmem_cache_alloc); with its checks on,
# that path is not taken.
COMMAND_LINE = "console=ttyS0 quiet panic=-1 slub_debug=F"
BOOT_SECONDS = 1500


class Missing(Exception):
    """What is needed and not there, with the reason."""


def run(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **options).stdout


def need_tools():
    for tool in "qemu-system-x86_64", "cpio", "apt-get", "dpkg-deb":
        if not shutil.which(tool):
            raise Missing(f"{tool} is not installed (scripts/setup kernels)")
    if not os.path.exists("/bin/busybox"):
        raise Missing("/bin/busybox is not installed (scripts/setup kernels)")
    if "dynamically" in run("file", "-L", "/bin/busybox") if shutil.which("file") else False:
        raise Missing("busybox must be static: the package busybox-static")


def mirror():
    """The Debian mirror that apt is set up for."""
    for line in run("apt-get", "indextargets", "--format", "$(SITE) $(CREATED_BY)").splitlines():
        site, by = line.split()
        if by == "Packages" and site.rstrip("/").endswith("/debian"):
            return site
    raise Missing("apt is not set up for a Debian mirror")


class Kernels:
    """Fetches kernels into a directory and keeps them there."""

    def __init__(self, directory):
        self.directory = directory
        self.options = None

    def apt(self, *arguments, **options):
        if not self.options:
            site = mirror()
            for name in "lists/partial", "cache/archives/partial":
                os.makedirs(os.path.join(self.directory, "apt", name), exist_ok=True)
            sources = os.path.join(self.directory, "apt", "sources.list")
            with open(sources, "w", encoding="utf-8") as file:
                for suite in sorted({kernel[1] for kernel in KERNELS}):
                    file.write(f"deb [signed-by={KEYRING}] {site} {suite} main\n")
            self.options = ["-qq", "-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=/dev/null",
                            "-o", f"Dir::State::lists={self.directory}/apt/lists",
                            "-o", f"Dir::Cache={self.directory}/apt/cache", "-o", "APT::Sandbox::User=root"]
            print(f"check-kernels: fetching kernels from {site}, into {self.directory}", flush=True)
            run("apt-get", *self.options, "update")
        return run(arguments[0], *self.options, *arguments[1:], **options)

    def image(self, name, pattern):
        """The path of a kernel's vmlinuz."""
        home = os.path.join(self.directory, name)
        found = glob.glob(os.path.join(home, "**", "vmlinuz*"), recursive=True)
        if found:
            return found[0]
        try:
            packages = re.findall(f"^({pattern}) ", self.apt("apt-cache", "search", "--names-only", "^linux-"), re.M)
            if not packages:
                raise Missing(f"the mirror has no package like {pattern}")
            newest = max(packages, key=lambda text: [int(number) for number in re.findall(r"\d+", text)])
            os.makedirs(home, exist_ok=True)
            self.apt("apt-get", "download", newest, cwd=home)
        except subprocess.CalledProcessError as error:
            raise Missing(f"kernel {name} cannot be fetched: {error.stderr.strip().splitlines()[-1:]}") from error
        for package in glob.glob(os.path.join(home, "*.deb")):
            run("dpkg-deb", "-x", package, home)
            os.remove(package)
        return glob.glob(os.path.join(home, "**", "vmlinuz*"), recursive=True)[0]


def copy_program(root, program):
    """A program and the libraries that it needs."""
    shutil.copy(program, os.path.join(root, "bin"))
    done = subprocess.run(["ldd", program], text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    for library in re.findall(r"(/\S+)", done.stdout):
        if not library.startswith(os.path.abspath(program)):
            os.makedirs(root + os.path.dirname(library), exist_ok=True)
            shutil.copy(library, root + library)


def initramfs(directory, programs, script, backends):
    """Make one that runs script with these backends; its path."""
    root, path = os.path.join(directory, "root"), os.path.join(directory, "initramfs.gz")
    shutil.rmtree(root, ignore_errors=True)
    for name in "bin", "dev", "proc", "sys", "tmp", "out":
        os.makedirs(os.path.join(root, name))
    shutil.copy("/bin/busybox", os.path.join(root, "bin"))
    os.symlink("busybox", os.path.join(root, "bin", "sh"))
    shutil.copy(os.path.join(HERE, "guest"), os.path.join(root, "init"))
    shutil.copy(script, os.path.join(root, "run-tests"))
    shutil.copy(os.path.join(HERE, "measure"), os.path.join(root, "bin"))
    with open(os.path.join(root, "backends"), "w", encoding="utf-8") as file:
        file.write(" ".join(backends) + "\n")
    for program in programs:
        copy_program(root, program)
    subprocess.run(f"find . | cpio -o -H newc --quiet | gzip -1 >{path}", shell=True, cwd=root, check=True)
    return path


def boot(directory, kernel, image):
    """Boot, wait for its end; its /out is unpacked into directory/out, whose path is returned."""
    serial, console, out = (os.path.join(directory, name) for name in ("serial", "console", "out"))
    command = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "1024", "-smp", "2",
               "-nographic", "-nodefaults", "-no-reboot", "-serial", f"file:{console}", "-serial", f"file:{serial}",
               "-kernel", kernel, "-initrd", image, "-append", COMMAND_LINE]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, timeout=BOOT_SECONDS, check=True)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"it did not end in {BOOT_SECONDS} s; its console is in {console}") from error
    with open(serial, encoding="ascii", errors="replace") as file:
        text = file.read().replace("\r", "")
    if "BEGIN\n" not in text or "\nEND" not in text:
        raise RuntimeError(f"the machine sent nothing whole; its console is in {console}")
    shutil.rmtree(out, ignore_errors=True)
    archive = base64.b64decode(text.split("BEGIN\n", 1)[1].split("\nEND", 1)[0])
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(out)
    return out
