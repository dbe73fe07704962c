#!/usr/bin/env python3.11
"""Random straight-line programs of every row of rv64.def and rvc.def, run under qemu-riscv64 and
under tine: all registers, fflags and memory must come out the same.

usage: isa_random.py [runner [programs [first seed]]]     (default: build/tine 12 1)
"""
import ctypes
import glob
import os
import random
import re
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GCC = ["riscv64-linux-gnu-gcc", "-march=rv64gc", "-mabi=lp64d", "-nostdlib", "-static",
       "-Wl,--build-id=none", "-Wl,--no-relax"]
# x2 and x8 point into the middle of a buffer of two pages, x9 to an aligned place of it.
RESERVED = {2, 8, 9}
SKIP = {"jal", "jalr", "ecall", "ebreak", "fence_i"}
LENGTH = 2500


class Insn(ctypes.Structure):
    _fields_ = [("op", ctypes.c_uint16), ("rd", ctypes.c_uint8), ("rs1", ctypes.c_uint8),
                ("rs2", ctypes.c_uint8), ("rs3", ctypes.c_uint8), ("rm", ctypes.c_uint8),
                ("len", ctypes.c_uint8), ("imm", ctypes.c_int32)]


def build(folder):
    gen = f"{folder}/gen"
    subprocess.check_call([sys.executable, f"{ROOT}/tools/gen_decode.py", f"{ROOT}/src/isa/rv64.def",
                           f"{ROOT}/src/isa/rvc.def", f"{gen}/isa_decode.inc"])
    subprocess.check_call(["gcc", "-std=gnu11", "-O1", "-shared", "-fPIC", f"-I{ROOT}/src", f"-I{gen}",
                           "-o", f"{folder}/isa.so"] + sorted(glob.glob(f"{ROOT}/src/isa/*.c")))
    library = ctypes.CDLL(f"{folder}/isa.so")
    library.rv_name.restype = ctypes.c_char_p
    library.rv_decode.restype = ctypes.c_bool
    return library


def table(path, macro):
    found = re.findall(rf'^{macro}\((\w+), "([01.nm ]+)"', open(path).read(), re.M)
    return [(name, bits.replace(" ", "")) for name, bits in found]


def random_word(rng, bits):
    return int("".join(c if c in "01" else rng.choice("01") for c in bits), 2)


def fitting(rng, library, rows):
    """A random instruction that stays inside the buffer and changes no reserved register."""
    while True:
        name, bits = rng.choice(rows)
        if name in SKIP:
            continue
        word = random_word(rng, bits)
        wide = len(bits) == 32
        base = library_name(library, word)
        if base is None:
            continue
        op, insn = base
        if op in SKIP:
            continue
        opcode = word & 0x7F
        if wide and opcode in (0x03, 0x07, 0x23, 0x27):
            word = word & ~(31 << 15) | 8 << 15
        if wide and opcode == 0x2F:
            word = word & ~(31 << 15) | 9 << 15
        if op.startswith("csr"):
            csr = rng.choice((1, 2, 3))
            immediate = csr == 2 or csr == 3
            if immediate:  # keep the rounding mode valid: csrrwi with a small number
                word = csr << 20 | rng.randrange(5 if csr == 2 else 32) << 15 | 5 << 12 | word & 0xFFF
            else:
                word = word & 0xFFFFF | csr << 20
        if wide and opcode in (0x43, 0x47, 0x4B, 0x4F, 0x53) and insn.rm == 7 and rng.random() < 0.5:
            word = word & ~(7 << 12)
        found = library_name(library, word)
        if found is None:
            continue
        op, insn = found
        integer_result = not (op.startswith(("f", "sb", "sh", "sw", "sd", "b")) and
                              not re.match(r"fmv_x|fcvt_[wl]|feq|flt|fle|fclass|bset", op))
        if integer_result and insn.rd in RESERVED:
            continue
        if re.match(r"(l[bhwd]u?|s[bhwd]|fl[wd]|fs[wd])$", op) and insn.rs1 not in (2, 8):
            continue
        return word, insn.len, op


def library_name(library, word):
    insn = Insn()
    if not library.rv_decode(ctypes.c_uint32(word), ctypes.byref(insn)):
        return None
    return library.rv_name(insn.op).decode(), insn


def interesting(rng):
    return rng.choice((0, 1, 2**64 - 1, 2**63, 2**63 - 1, 2**31, 2**32 - 1, 0xFFFFFFFF80000000,
                       0x7FF0000000000000, 0x7FF8000000000000, 0x3FF0000000000000,
                       0xFFFFFFFF3F800000, 0xFFFFFFFF7F800000, 0xFFFFFFFF00000001,
                       rng.getrandbits(64), rng.getrandbits(64), rng.getrandbits(16),
                       0xFFFFFFFF00000000 | rng.getrandbits(32)))


def program(rng, library, rows):
    out = [".globl _start", "_start:", "lla x8, buffer+4096", "mv x2, x8", "addi x9, x8, 64"]
    for i in range(32):
        out += [f"li x5, {interesting(rng):#x}", f"fmv.d.x f{i}, x5"]
    for i in range(1, 32):
        if i not in RESERVED:
            out.append(f"li x{i}, {interesting(rng):#x}")
    ops = set()
    for i in range(LENGTH):
        if rng.random() < 0.02:  # fresh values, or everything ends as 0, -1 and NaN
            r = rng.choice([r for r in range(1, 32) if r not in RESERVED])
            out += [f"li x{r}, {interesting(rng):#x}", f"fmv.d.x f{rng.randrange(32)}, x{r}"]
        word, size, op = fitting(rng, library, rows)
        ops.add(op)
        if op in ("beq", "bne", "blt", "bge", "bltu", "bgeu"):
            a, b = (rng.randrange(32) for _ in range(2))
            if size == 2:
                out.append(f"c.{rng.choice(('beqz', 'bnez'))} x{rng.randrange(8, 16)}, 1f")
            else:
                out.append(f"{op} x{a}, x{b}, 1f")
            for _ in range(rng.randrange(3)):
                word, size, op = fitting(rng, library, rows)
                if not op.startswith("b"):
                    out.append(f".{size}byte {word:#x}")
            out.append("1:")
        else:
            out.append(f".{size}byte {word:#x}")
    out += ["frflags x7", "addi x9, x8, 2047", "addi x9, x9, 2047"]  # buffer + 8190
    out += ["lla x9, dump", "sd x7, 0(x9)"]
    out += [f"sd x{i}, {8 * i}(x9)" for i in range(1, 32) if i not in RESERVED | {7}]
    out += [f"fsd f{i}, {256 + 8 * i}(x9)" for i in range(32)]
    out += ["li a7, 64", "li a0, 1", "lla a1, dump", f"li a2, {512 + 8192}", "ecall",
            "li a7, 93", "li a0, 0", "ecall"]
    out += [".bss", ".balign 4096", ".skip 3584", "dump: .skip 512", "buffer: .skip 8192"]
    return "\n".join(out) + "\n", ops


def main():
    runner = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else f"{ROOT}/build/tine"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    first = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    bad = 0
    seen = set()
    with tempfile.TemporaryDirectory() as folder:
        library = build(folder)
        rows = table(f"{ROOT}/src/isa/rv64.def", "INSN") + table(f"{ROOT}/src/isa/rvc.def", "RVC")
        for seed in range(first, first + count):
            # SC after an LR of another size is unspecified: one size in each program.
            usable = [r for r in rows if r[0] not in (("lr_w", "sc_w"), ("lr_d", "sc_d"))[seed % 2]]
            text, ops = program(random.Random(seed), library, usable)
            seen |= ops
            open(f"{folder}/p.S", "w").write(text)
            subprocess.check_call(GCC + [f"{folder}/p.S", "-o", f"{folder}/p"])
            want, got = (subprocess.run(c + [f"{folder}/p"], capture_output=True, timeout=60)
                         for c in (["qemu-riscv64"], [runner]))
            if want.returncode or len(want.stdout) != 512 + 8192:
                sys.exit(f"seed {seed}: qemu-riscv64: {want.returncode} {want.stderr.decode()}")
            if (want.returncode, want.stdout) != (got.returncode, got.stdout):
                bad += 1
                print(f"seed {seed}: status {got.returncode}, {len(got.stdout)} bytes")
                for i in range(512, min(len(want.stdout), len(got.stdout))):
                    if want.stdout[i] != got.stdout[i]:
                        print(f"  buffer+{i - 512}: qemu {want.stdout[i]:02x}, tine {got.stdout[i]:02x}")
                for i in range(0, min(512, len(got.stdout)), 8):
                    a, b = want.stdout[i:i + 8], got.stdout[i:i + 8]
                    if a != b:
                        name = "fflags" if i == 0 else f"x{i // 8}" if i < 256 else f"f{i // 8 - 32}"
                        print(f"  {name}: qemu {a[::-1].hex()}, tine {b[::-1].hex()}")
    missing = {n for n, _ in rows if not n.startswith("c_")} - seen - SKIP
    print(f"isa_random: {count} programs, {len(seen)} kinds of instruction, {bad} differ"
          + (f"; never tried: {' '.join(sorted(missing))}" if missing else ""))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
