# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
"""The zoo: each hard program, how to build and start it, and what must be seen of it.

Builds and runs happen in a scratch directory. In commands {p} is the directory of the sources, {w} that of the
workloads, {s} how many seconds to run and {l} how many times as long as usual. What a walk may end with besides
"complete" is listed with the reason why it cannot be complete; everything else counts as a failure above a
thousandth of the samples.
"""

from dataclasses import dataclass, field

C = "gcc -O2 -g -fomit-frame-pointer -fno-stack-protector -pthread -D_GNU_SOURCE"
PLAIN = ("main", "first", "second", "third", "burn_until_the_end")
EXEC = "a sample inside execve has no stack of the new program"
CATCHING = "while the unwinder writes the frame that it enters over its own, there are parts of two stacks"
BOUNDED = "walks wait for it for 0.3 s, and only 64 MiB of them"


@dataclass
class Program:
    name: str
    run: str                      # shell command; what it becomes by exec is recorded
    build: str = ""               # shell command
    sees: tuple = ()              # functions, outermost first, with others between them
    share: float = 0.5            # of samples with a user stack that must show all of sees
    complete: float = 0.999       # of answered samples; None: cannot be complete at all
    may_end: dict = field(default_factory=dict)   # reason: why
    start: str = BOUNDED          # why not all walks are complete until its table is there; from then on complete holds
    refused: str = ""             # nearly no sample may ask, for this reason
    needs: tuple = ()             # tools, "root", "swap"
    seconds: float = 2
    least: int = 300              # samples
    quick: bool = False           # part of make check
    rate: int = 1999
    says: str = ""                # regular expression with a number in its standard output …
    at_least: float = 0           # … and that number a second, at least, when not quick


def c(name, arguments="", options="", **more):
    """A program of one C file."""
    source = name.split("-")[0]
    return Program(name=name, build=f"{C} {options} -o {name} {{p}}/{source}.c -ldl",
                   run=f"./{name} {{s}} {arguments}", **more)


def plain(name, options="", then="", run="./{n} {s}", compiler=C, **more):
    """The plain program, built or started in another way."""
    build = f"{compiler} {options} -o {name} {{p}}/plain.c" + (f" && {then.format(n=name)}" if then else "")
    more.setdefault("sees", PLAIN)
    return Program(name=name, build=build, run=run.replace("{n}", name), **more)


def storm(how):
    """Two threads that start as many processes as they can, and wait for each."""
    return Program(f"storm-{how}", build=f"{C} -static -o storm {{p}}/storm.c && "
                   "gcc -static -nostdlib -nostartfiles -o gone {p}/gone.S", run=f"./storm {{s}} 2 {how} ./gone",
                   says=r"processes (\d+)", at_least=2000, may_end=STORM, complete=0.95, seconds=3)


DEEP_STACK = "only 128 KiB of so deep a stack are copied"
ONE_STACK = "one stack is copied, and it goes on on another"
MUSL = {"gap": "what musl calls main from has neither unwind entries nor frame pointers"}
STORM = {"exec": EXEC, "miss": "until its table is there, by a process that is gone before its file can be opened"}

PROGRAMS = [
    # languages
    Program("c++", build="g++ -O2 -g -fomit-frame-pointer -o c++ {p}/cxx.cc", run="./c++ {s}", quick=True, complete=0.99,
            sees=("main", "catch_and_throw_again", "throw_deep", "throw_deep"), share=0.8, may_end={
                "gap": CATCHING, "no-mapping": CATCHING}),
    Program("rust", build="rustc -O -g --edition 2021 -o rust {p}/rust.rs", run="./rust {s}", needs=("rustc",),
            sees=("main", "rust::main", "area"), share=0.5),
    Program("go", build="GO111MODULE=off GOCACHE=$PWD/cache go build -o goes {p}/goes.go", run="./goes {s}",
            needs=("go",), sees=("runtime.goexit", "main.work", "main.deep"), share=0.3, start=ONE_STACK),
    Program("python", run="/usr/bin/python3 {p}/script.py {s}", needs=("/usr/bin/python3",), quick=True,
            sees=("_start", "Py_BytesMain", "_PyEval_EvalFrameDefault"), share=0.5),
    Program("perl", run="perl {p}/script.pl {s}", needs=("perl",), sees=("_start", "perl_run", "Perl_runops"),
            share=0.5, quick=True),
    Program("node", run="node --perf-basic-prof {p}/script.js {s}", needs=("node",), complete=0.99, seconds=3,
            sees=("main", "node::Start", "fib"), share=0.2, may_end={
                "anonymous": "machine code in the middle of building its frame",
                "gap": "embedded builtins without unwind entries, in the middle of building their frame"}),
    Program("java", build="javac -d . {p}/Jumps.java", seconds=4,
            run="java -XX:+PreserveFramePointer -XX:+UnlockDiagnosticVMOptions -XX:+DumpPerfMapAtExit -cp . Jumps {s}", needs=("javac", "java"),
            sees=("JavaCalls::call_helper", "StubRoutines", "Interpreter", "Jumps.fib", "Jumps.fib"), share=0.2,
            complete=0.99, may_end={"anonymous": "compiled code and stubs in the middle of building their frame"}),
    Program("bash", run="bash -c 'end=$((SECONDS + {s})); while ((SECONDS < end)); do x=$((x + 1)); done'",
            sees=("_start", "main"), share=0.9),

    # calls that are not plain calls
    c("signals", sees=("main", "work", "on_timer", "on_user"), share=0.1, quick=True, start=ONE_STACK),
    c("sorting", sees=("main", "sort_once", "qsort", "compare"), share=0.8),
    c("coroutines", sees=("body", "deeper", "deeper", "turn", "burn"), share=0.8, quick=True),
    c("recursion", sees=("again", "again", "burn"), share=0.9, complete=None, may_end={
        "truncated": "deeper than the limit of frames"}),
    Program("plt", run="{w}/pltcall {s}", sees=("main",), share=0.9),
    Program("plt-ibt", run="{w}/pltcall_ibt {s}", sees=("main",), share=0.9),
    Program("vdso", run="{w}/vdso {s}", sees=("main",), share=0.9),
    Program("deep-200", run="{w}/deep 200 2 {s}", sees=("f800", "f900", "f999"), share=0.9),
    Program("openssl-aes", run="openssl speed -seconds {l} -bytes 16384 -evp aes-256-gcm", needs=("openssl",),
            sees=("__libc_start_main", "EVP_"), share=0.5),
    Program("openssl-sha", run="openssl speed -seconds {l} -bytes 16384 sha256 sha512", needs=("openssl",),
            sees=("__libc_start_main",), share=0.9),
    Program("openssl-rsa", run="openssl speed -seconds {l} rsa2048", needs=("openssl",),
            sees=("__libc_start_main", "BN_mod_exp"), share=0.3),
    Program("openssl-ec", run="openssl speed -seconds {l} ecdsap256", needs=("openssl",),
            sees=("__libc_start_main", "EC_POINT_mul"), share=0.3),
    Program("openssl-chacha", run="openssl speed -seconds {l} -bytes 16384 -evp chacha20-poly1305", needs=("openssl",),
            sees=("__libc_start_main", "EVP_"), share=0.5),
    Program("plugins", build=f"{C} -fPIC -shared -o plugin-a.so {{p}}/plugin.c && {C} -O1 -fPIC -shared -o plugin-b.so "
            f"{{p}}/plugin.c && {C} -o plugins {{p}}/plugins.c -ldl", run="./plugins {s}", quick=True,
            sees=("main", "plugin_work", "called_back"), share=0.3),
    c("jit-rbp", "rbp", sees=("main", "called_back", "burn"), share=0.9),
    c("jit-none", "none", sees=("called_back", "burn"), share=0.9, complete=None, may_end={
        "anonymous": "machine code without tables and without a frame pointer"}),

    # stacks
    c("paged-anonymous", "anonymous", sees=("deep", "deep", "burn"), share=0.7, needs=("root", "swap"), start=DEEP_STACK),
    c("paged-file", "file", sees=("deep", "deep", "burn"), share=0.7, start=DEEP_STACK),
    c("user_faults", sees=("deep", "burn"), share=0.7, complete=None, needs=("root",),
      start="its stack cannot be copied without waiting for that thread", may_end={
        "may-block": "a page that another thread answers for, by userfaultfd"}),

    # processes and threads
    storm("fork"),
    storm("vfork"),
    storm("spawn"),
    storm("exec"),
    Program("storm-dynamic", run="{w}/spawn {s} 2 exec", says=r"spawned (\d+)", may_end=STORM, complete=0.5),
    c("fork_beside", sees=("main", "work_in_copy", "burn"), share=0.05, complete=0.99, may_end={
        "busy": "a mapping that no walk has met yet, while another thread has all of them locked, to fork"}),
    c("brief_threads", says=r"threads (\d+)", at_least=1000, quick=True),
    c("leader_gone", sees=("go_on", "burn"), share=0.9, quick=True),
    c("many_threads", "10000", sees=("run", "work", "burn"), share=0.3, seconds=5),
    c("killed", sees=("main", "read_long"), share=0.5),
    Program("long-stays", run="{w}/longread {s}", sees=("main",), share=0.9),
    c("page_faults", sees=("main", "touch_all"), share=0.5),
    c("ring_worker", least=50),

    # ways to be built
    plain("static", "-static"),
    plain("static-pie", "-static-pie -fPIE", quick=True),
    plain("stripped", then="strip {n}", sees=(), quick=True),
    plain("no-sections", then="llvm-strip --strip-sections {n}", sees=(), needs=("llvm-strip",)),
    plain("debug-frame", "-fno-asynchronous-unwind-tables", sees=("main", "first", "second", "third")),
    plain("musl", compiler="musl-gcc -O2 -g -fomit-frame-pointer", needs=("musl-gcc",), complete=None, may_end=MUSL),
    plain("musl-static", "-static", compiler="musl-gcc -O2 -g -fomit-frame-pointer", needs=("musl-gcc",),
          complete=None, may_end=MUSL),
    plain("32-bit", "-m32", sees=(), complete=None, refused="32-bit", needs=("gcc -m32",)),

    # ways to be there
    plain("deleted", run="sh -c '(sleep 0.2; rm {n}) & exec ./{n} {s}'", sees=("__libc_start_main",)),
    plain("replaced", run="sh -c '(sleep 0.2; mv {n} {n}.away; cp /bin/true {n}; strip {n}.away) & exec ./{n} {s}'",
          sees=()),
    Program("memfd", build=f"{C} -o plain {{p}}/plain.c && {C} -o from_memory {{p}}/from_memory.c",
            run="./from_memory ./plain {s}", sees=("__libc_start_main",), quick=True),
    plain("overlay", sees=("__libc_start_main",), needs=("root",), run="unshare -m sh -c 'mkdir -p lower upper work all; mount -t tmpfs none upper;"
          " mkdir upper/u upper/w; cp {n} lower; mount -t overlay -o lowerdir=lower,upperdir=upper/u,workdir=upper/w "
          "none all && exec all/{n} {s}'", quick=True),
    plain("namespaces", sees=("__libc_start_main",), needs=("root",), run="unshare -mpf --mount-proc sh -c 'mkdir -p other; "
          "mount -t tmpfs none other; cp {n} other/inside; exec other/inside {s}'"),
]
