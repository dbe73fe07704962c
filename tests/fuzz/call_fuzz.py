#!/usr/bin/env python3
"""Random system calls (calls_guest.c): whatever a program asks, tine ends by itself, in time, with a
guest's status, and says nothing of a bug.

usage: call_fuzz.py [--seconds N] [--seed N] [--count N] [--only CALL,CALL] [--trace FILE] TINE

Run number i has seed SEED + i, which decides the calls and tine's options. Most runs have virtual time,
so that --seed N --count 1 does the same again; the program's files are in a directory of its own, which
goes afterwards, in memory where that can be had.
"""
import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build", "fuzz")
TIMEOUT = 20  # seconds; what a run may take, tine's own end not counted
GRACE = 10


def build():
    os.makedirs(BUILD, exist_ok=True)
    program = os.path.join(BUILD, "calls_guest")
    source = os.path.join(ROOT, "tests", "fuzz", "calls_guest.c")
    made = program + f".{os.getpid()}"
    subprocess.run(["riscv64-linux-gnu-gcc", "-O1", "-g", "-static", "-pthread", "-I", os.path.join(ROOT, "src"),
                    "-o", made, source], check=True)
    os.replace(made, program)
    return program


def options(seed):
    rng = random.Random(seed)
    chosen = ["--time=virtual"] if rng.random() < 0.8 else []
    chosen += rng.choice([[], [], ["--jit=off"], ["--slice=1000"], ["--order=random:%d" % seed]])
    chosen += rng.choice([[], [], ["--fork=eager"], ["--vfork=copy"], ["--vfork=lint"], ["--vfork=deny"]])
    chosen += rng.choice([[], [], [], ["--aslr"], ["--max-procs=12"]])
    chosen += ["--memory=" + rng.choice(["1G", "256M", "32M"])]
    return chosen


def limits():
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 20, 16 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def clean(directory):
    for path, names, _ in os.walk(directory):
        for name in names:
            if not os.path.islink(os.path.join(path, name)):
                os.chmod(os.path.join(path, name), 0o755)
    shutil.rmtree(directory, ignore_errors=True)


def one(tine, program, seed, args):
    """(None or what is wrong, how the run ended, what tine said)"""
    base = tempfile.mkdtemp(prefix="tine-calls-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    root = os.path.join(base, "root")
    for name in ("tmp", "dev", "proc", "work"):
        os.makedirs(os.path.join(root, name))
    os.link(program, os.path.join(root, "calls_guest")) if os.stat(program).st_dev == os.stat(root).st_dev \
        else shutil.copy(program, os.path.join(root, "calls_guest"))
    command = [tine, "run", "--root", root, "--cwd", "/work", "--net=none", f"--timeout={TIMEOUT}",
               f"--seed={seed}", *options(seed)]
    if args.trace:
        command += ["--strace", "-o", args.trace]
    command += ["/calls_guest", str(seed), str(args.rounds)] + ([f",{args.only},"] if args.only else [])
    report = os.path.join(base, "report")
    environment = dict(os.environ, ASAN_OPTIONS=f"log_path={report}:abort_on_error=1:handle_abort=1:" +
                       "allocator_may_return_null=1:" + os.environ.get("ASAN_OPTIONS", ""),
                       UBSAN_OPTIONS=f"log_path={report}:print_stacktrace=1:halt_on_error=1")
    begin = time.monotonic()
    with open(os.path.join(base, "out"), "wb+") as out:
        run = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment,
                               start_new_session=True, preexec_fn=limits)
        try:
            status = run.wait(TIMEOUT + GRACE)
        except subprocess.TimeoutExpired:
            status = None
            if args.keep_hung:
                print(f"hangs: pid {run.pid}, seed {seed}", flush=True)
                run.wait()
            else:
                run.send_signal(signal.SIGKILL)
                run.wait()
        out.seek(0, os.SEEK_END)
        out.seek(max(0, out.tell() - 20000))
        said = out.read().decode(errors="replace")
    for name in sorted(os.listdir(base)):
        if name.startswith("report"):
            with open(os.path.join(base, name), encoding="utf-8", errors="replace") as file:
                said += file.read()
    clean(base)
    took = time.monotonic() - begin
    wrong = None
    if status is None:
        wrong = "hangs: --timeout did not end it"
    elif status < 0:
        wrong = f"killed by signal {-status}"
    elif "tine: bug" in said or "Sanitizer" in said or "runtime error" in said:
        wrong = "reports a bug"
    elif status == 125:
        wrong = "ends with 125"
    return wrong, f"status {status} in {took:.1f} s", said, command


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1 << 62)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--trace", help="write the calls of each run there")
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--keep-hung", action="store_true")
    parser.add_argument("-v", action="store_true")
    parser.add_argument("tine")
    args = parser.parse_args()
    program = build()
    end = time.monotonic() + args.seconds
    done = failed = 0
    ends = {}
    while done < args.count and (time.monotonic() < end or not done):
        seed = args.seed + done
        wrong, how, said, command = one(args.tine, program, seed, args)
        done += 1
        key = how.split(" in ")[0]
        ends[key] = ends.get(key, 0) + 1
        if args.v:
            print(seed, how, *command[7:], flush=True)
        if wrong:
            failed += 1
            print(f"FAIL call_fuzz: seed {seed}: {wrong} ({how})\n{' '.join(command)}\n{said[-12000:]}", flush=True)
            if not args.keep_going:
                return 1
    print(f"{'FAIL' if failed else 'ok'} call_fuzz: {done} runs from seed {args.seed} on, {failed} bad; " +
          ", ".join(f"{n} with {key}" for key, n in sorted(ends.items())))
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
