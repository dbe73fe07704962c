#!/usr/bin/env python3
"""Damaged ELF files: whatever the file, tine ends by itself with a guest's status or a one-line error.

usage: elf_fuzz.py [--seconds N] [--seed N] TINE ELF...

Each round damages one of the given riscv64 programs (truncated, bytes changed in the headers, fields
set to extreme values, random bytes), runs it with a limit on instructions, time and memory, and
checks that tine was not killed by a signal, did not report a bug of its own, and printed one line at
most when it refused the file.
"""
import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile
import time

EXTREMES = [0, 1, 0xFFF, 0x1000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 38, (1 << 38) - 4096,
            (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 4096]


def damage(rng, data):
    data = bytearray(data)
    kind = rng.randrange(6)
    if kind == 0:
        del data[rng.randrange(len(data) if rng.random() < 0.3 else 600):]
    elif kind == 1:
        for _ in range(rng.randrange(1, 8)):
            data[rng.randrange(min(len(data), 600))] = rng.randrange(256)
    elif kind == 2:
        phoff, = struct.unpack_from("<Q", data, 32)
        phnum, = struct.unpack_from("<H", data, 56)
        for _ in range(rng.randrange(1, 4)):
            at = phoff + 56 * rng.randrange(max(phnum, 1)) + rng.choice([8, 16, 32, 40, 48])
            if at + 8 <= len(data):
                struct.pack_into("<Q", data, at, rng.choice(EXTREMES))
    elif kind == 3:
        at = rng.choice([24, 32, 40])
        struct.pack_into("<Q", data, at, rng.choice(EXTREMES))
    elif kind == 4:
        struct.pack_into("<H", data, rng.choice([16, 18, 54, 56]), rng.randrange(65536))
    else:
        head = rng.randrange(64) if rng.random() < 0.5 else 4
        data = data[:head] + bytearray(rng.randbytes(rng.randrange(4096)))
    return bytes(data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("tine")
    parser.add_argument("elf", nargs="+")
    args = parser.parse_args()
    rng = random.Random(args.seed)
    sources = [open(path, "rb").read() for path in args.elf]
    end = time.monotonic() + args.seconds
    rounds = 0
    with tempfile.TemporaryDirectory() as work:
        path = os.path.join(work, "program")
        while time.monotonic() < end:
            data = damage(rng, rng.choice(sources))
            with open(path, "wb") as out:
                out.write(data)
            os.chmod(path, 0o755)
            done = subprocess.run(
                [args.tine, "run", "--fuel", "20000000", "--timeout", "5", "--memory", "64M", path],
                stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
            error = done.stderr.decode(errors="replace")
            ours = [line for line in error.splitlines() if line.startswith("tine:")]
            bad = done.returncode < 0 or "tine: bug" in error or "Sanitizer" in error or \
                "runtime error" in error or len(ours) > 2
            if bad:
                kept = os.path.join(tempfile.gettempdir(), f"tine-elf-{args.seed}-{rounds}")
                with open(kept, "wb") as out:
                    out.write(data)
                print(f"FAIL elf_fuzz: round {rounds}: status {done.returncode}, kept in {kept}")
                print(error)
                return 1
            rounds += 1
    print(f"ok elf_fuzz: {rounds} damaged files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
