#!/usr/bin/env python3.11
"""Compares rv_disasm with objdump: every 16-bit encoding, and for every row of rv64.def words with
its fixed bits and varied operand bits, and random words. Exits non-zero on differences.

usage: isa_sweep.py [--show N]
"""
import ctypes
import glob
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OBJDUMP = ["riscv64-linux-gnu-objdump", "-D", "-b", "binary", "-m", "riscv:rv64", "-M", "no-aliases"]

# What objdump knows and user mode lacks: privileged instructions, quad precision.
NOT_OURS = re.compile(r"^(mret|sret|uret|dret|mnret|wfi|sfence|hfence|hlv|hlvx|hsv|sinval|hinval|"
                      r"f\w+\.q\b|f\w+\.q\.|flq|fsq|fmv\.\w\.q|c\.unimp)")
# Names of control and status registers beyond ours.
OUR_CSRS = {0x001, 0x002, 0x003, 0xC00, 0xC01, 0xC02}


def build(folder):
    """The decoder and disassembler as a shared object; every word to text in one call."""
    gen = os.path.join(folder, "gen")
    subprocess.check_call([sys.executable, f"{ROOT}/tools/gen_decode.py", f"{ROOT}/src/isa/rv64.def",
                           f"{ROOT}/src/isa/rvc.def", f"{gen}/isa_decode.inc"])
    driver = os.path.join(folder, "driver.c")
    with open(driver, "w") as f:
        f.write('#include "isa/decode.h"\n'
                "size_t sweep(const u32 *w, size_t n, u64 step, char *out, size_t cap);\n"
                "size_t sweep(const u32 *w, size_t n, u64 step, char *out, size_t cap) {\n"
                "    size_t len = 0;\n"
                "    for (size_t i = 0; i < n; i++) {\n"
                "        len += (size_t)rv_disasm(out + len, cap - len, w[i], i * step);\n"
                "        out[len++] = '\\n';\n"
                "    }\n"
                "    return len;\n"
                "}\n")
    library = os.path.join(folder, "isa.so")
    subprocess.check_call(["gcc", "-std=gnu11", "-O1", "-shared", "-fPIC", f"-I{ROOT}/src", f"-I{gen}",
                           "-o", library, driver] + sorted(glob.glob(f"{ROOT}/src/isa/*.c")))
    return ctypes.CDLL(library)


def ours(library, words, step):
    cap = 96 * len(words)
    buf = ctypes.create_string_buffer(cap)
    library.sweep.restype = ctypes.c_size_t
    library.sweep.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64, ctypes.c_void_p,
                              ctypes.c_size_t]
    array = (ctypes.c_uint32 * len(words))(*words)
    n = library.sweep(array, len(words), step, buf, cap)
    return buf.raw[:n].decode().splitlines()


def objdump(folder, words, step):
    """The same from objdump. The word at i is at address i * step."""
    path = os.path.join(folder, "words.bin")
    with open(path, "wb") as f:
        f.write(struct.pack(f"<{len(words)}{'H' if step == 2 else 'I'}", *words))
    out = subprocess.run(OBJDUMP + [path], check=True, capture_output=True, text=True).stdout
    texts = {}
    for line in out.splitlines():
        m = re.match(r"^\s*([0-9a-f]+):\t[0-9a-f ]+\t(.*)$", line)
        if m:
            texts[int(m[1], 16)] = m[2].split(" # ")[0].rstrip()
    return [texts.get(i * step, "?") for i in range(len(words))]


def rows():
    found = re.findall(r'^INSN\((\w+), "([01. ]+)"', open(f"{ROOT}/src/isa/rv64.def").read(), re.M)
    return [(name, bits.replace(" ", "")) for name, bits in found]


def row_words(rng, name, bits):
    """Words of one row: operands all zeros, all ones, one bit set each, and random."""
    free = [31 - i for i, c in enumerate(bits) if c == "."]
    fixed = int(bits.replace(".", "0"), 2)
    mask = sum(1 << b for b in free)
    words = [fixed, fixed | mask] + [fixed | 1 << b for b in free]
    words += [fixed | (rng.getrandbits(32) & mask) for _ in range(300)]
    if name.startswith("csr"):
        words = [w & 0xFFFFF | rng.choice(sorted(OUR_CSRS) + [0x123, 0x7C0]) << 20 for w in words]
    return words


def normal(text):
    """Differences that are spelling only."""
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r"0x([0-9a-f]+)$", lambda m: f"0x{int(m[1], 16) & 0xFFFFFFFFFFFFFFFF:x}", text)


def illegal(text):
    return text.startswith((".2byte", ".4byte", "c.unimp"))


def acceptable(word, mine, theirs):
    """Where the two may differ, and why."""
    if illegal(mine) and NOT_OURS.match(theirs):
        return True
    if illegal(mine) and illegal(theirs):
        return True
    # The manual: reserved fields of FENCE and FENCE.I "shall be ignored".
    if word & 0x7F == 0x0F and illegal(theirs) and mine.startswith("fence"):
        return True
    # Exact conversions: the rounding mode doesn't matter, but objdump knows zero only.
    if illegal(theirs) and re.match(r"fcvt\.d\.(w|wu|s)\b", mine) and word >> 12 & 7:
        return True
    # Reserved by the manual: c.addi16sp with zero.
    if theirs == "c.addi16sp sp,0" and illegal(mine):
        return True
    # CSR names beyond ours.
    if word & 0x7F == 0x73 and mine.startswith("csr") and word >> 20 not in OUR_CSRS:
        a, b = mine.split(","), theirs.split(",")
        return len(a) == len(b) == 3 and (a[0], a[2]) == (b[0], b[2])
    return False


def compare(words, mine, theirs, show):
    bad = 0
    for word, a, b in zip(words, mine, theirs, strict=True):
        a, b = normal(a), normal(b)
        if a == b or acceptable(word, a, b):
            continue
        bad += 1
        if bad <= show:
            print(f"{word:#010x}: tine '{a}', objdump '{b}'")
    return bad


def main():
    show = int(sys.argv[2]) if sys.argv[1:2] == ["--show"] else 20
    rng = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        library = build(folder)
        # A 16-bit word with the low bits 11 begins a longer instruction.
        short = [w for w in range(65536) if w & 3 != 3]
        bad = compare(short, ours(library, short, 2), objdump(folder, short, 2), show)
        long = [w for name, bits in rows() for w in row_words(rng, name, bits)]
        long += [rng.getrandbits(32) | 3 for _ in range(60000)]
        # Every value of the fields that select an instruction.
        for opcode in range(3, 128, 4):
            for funct3 in range(8):
                for funct7 in range(128):
                    for rs2 in range(32) if opcode in (0x53, 0x73) else (0, 1, 11, 31):
                        long.append(funct7 << 25 | rs2 << 20 | 11 << 15 | funct3 << 12 | 10 << 7 | opcode)
        long = [w for w in long if w & 0x1F != 0x1F]  # longer than 32 bits for objdump
        bad += compare(long, ours(library, long, 4), objdump(folder, long, 4), show)
    print(f"isa_sweep: {len(short) + len(long)} words, {bad} differences")
    return 1 if bad else 0


sys.exit(main())
