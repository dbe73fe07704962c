#!/usr/bin/env python3
"""Random code with loops, branches, calls and faults, run by every engine there is.

    jit_random.py [--faults] [--seconds S] [--seed N] [--count N] [--reduce] [--keep DIR] [--engines LIST]

A case is code made from the rows of rv64.def and rvc.def, and a state to begin with. Its driver,
jit_random_guest.c, writes down all registers at every fault, timer signal and end, and memory at
last. Compared are: tine --jit=off, on and lockstep (as far as this tine has them) and qemu-riscv64;
between tine's own also the count of retired instructions, any length of time slice, timers of
virtual time, and where --fuel stops. With --faults memory is full of pages that may not be read, written
or executed, change protection, go and come, are shared with forked children or lie behind a file's
end, and signals come at random instants; only tine's engines are compared. --reduce makes a case that differs smaller and prints it;
--keep stores it. $TINE is the command (default build/tine).
"""
import argparse
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "unit"))
from isa_random import build, interesting, library_name, random_word  # noqa: E402

TINE = os.environ.get("TINE", os.path.join(ROOT, "build", "tine"))
QEMU = shutil.which("qemu-riscv64") or shutil.which("qemu-riscv64-static")

# The same numbers are in jit_random_guest.c.
CODE, DATA, DATA_PAGES = 0x10000000, 0x20000000, 10
DUMPED_PAGES = DATA_PAGES - 1
FROM_FILE, ANONYMOUS, WRITABLE = range(3)
RECORD = struct.Struct("<68Q")
LINKS = (1, 5)
WAY_BACK = 4 # what a jump to nowhere leaves its way back in

BRANCHES = {"beq": 0, "bne": 1, "blt": 4, "bge": 5, "bltu": 6, "bgeu": 7}
LOADS = {"lb": 0, "lh": 1, "lw": 2, "ld": 3, "lbu": 4, "lhu": 5, "lwu": 6}


# ---- Encodings --------------------------------------------------------------------------------

def i_type(opcode, funct3, rd, rs1, imm):
    return (imm & 0xFFF) << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


def s_type(funct3, rs1, rs2, imm):
    return (imm >> 5 & 0x7F) << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | (imm & 31) << 7 | 0x23


def r_type(opcode, funct3, funct7, rd, rs1, rs2):
    return funct7 << 25 | rs2 << 20 | rs1 << 15 | funct3 << 12 | rd << 7 | opcode


def addi(rd, rs1, imm):
    return i_type(0x13, 0, rd, rs1, imm)


def lui(rd, value):
    return (value & 0xFFFFF) << 12 | rd << 7 | 0x37


def auipc(rd, value):
    return (value & 0xFFFFF) << 12 | rd << 7 | 0x17


def jal(rd, distance):
    assert -(1 << 20) <= distance < 1 << 20
    return ((distance >> 20 & 1) << 31 | (distance >> 1 & 0x3FF) << 21 | (distance >> 11 & 1) << 20 |
            (distance >> 12 & 0xFF) << 12 | rd << 7 | 0x6F)


def branch(funct3, rs1, rs2, distance):
    assert -4096 <= distance < 4096
    return ((distance >> 12 & 1) << 31 | (distance >> 5 & 0x3F) << 25 | rs2 << 20 | rs1 << 15 |
            funct3 << 12 | (distance >> 1 & 15) << 8 | (distance >> 11 & 1) << 7 | 0x63)


def c_branch(nonzero, rs1, distance):
    assert -256 <= distance < 256
    return ((6 + nonzero) << 13 | (distance >> 8 & 1) << 12 | (distance >> 3 & 3) << 10 |
            (rs1 - 8) << 7 | (distance >> 6 & 3) << 5 | (distance >> 1 & 3) << 3 |
            (distance >> 5 & 1) << 2 | 1)


def load_constant(rd, value):
    """The words that make a register a 64-bit constant."""
    value &= 2**64 - 1
    signed = value - 2**64 if value >> 63 else value
    if -2048 <= signed < 2048:
        return [addi(rd, 0, signed)]
    if -2**31 <= signed < 2**31:
        high = signed + 0x800 >> 12
        low = signed - (high << 12)
        return [lui(rd, high)] + ([i_type(0x1B, 0, rd, rd, low)] if low else [])
    low = (signed & 0xFFF) - ((signed & 0x800) << 1)
    rest, shift = signed - low >> 12, 12
    while rest & 1 == 0:
        rest, shift = rest >> 1, shift + 1
    more = [addi(rd, rd, low)] if low else []
    return [*load_constant(rd, rest), i_type(0x13, 1, rd, rd, shift), *more]


def high_low(distance):
    """The parts for auipc and the instruction after it."""
    high = distance + 0x800 >> 12
    return high, distance - (high << 12)


# ---- A program is a tree of items ---------------------------------------------------------------
#
# An item knows its size before its place, and its bytes when places are known.

class Raw:
    """Instructions that do not care where they are."""

    def __init__(self, words, note=""):
        self.parts = [(w, 4 if w & 3 == 3 else 2) for w in words]
        self.size = sum(size for _, size in self.parts)
        self.cost = len(self.parts)
        self.note = note

    def children(self):
        return []

    def emit(self, at, program):
        self.at = at
        return b"".join(word.to_bytes(size, "little") for word, size in self.parts)


class Sequence:
    def __init__(self, items):
        self.items = items
        self.measure()

    def measure(self):
        for item in self.items:
            item.measure() if not isinstance(item, Raw) else None
        self.size = sum(item.size for item in self.items)
        self.cost = sum(item.cost for item in self.items)

    def children(self):
        return [self]

    def emit(self, at, program):
        out = b""
        for item in self.items:
            out += item.emit(at + len(out), program)
        return out


class Block(Sequence):
    """A sequence with something before and after it."""
    before = after = extra_cost = 0

    def measure(self):
        super().measure()
        self.size += self.before + self.after
        self.cost += self.extra_cost

    def inner(self, at, program):
        return Sequence.emit(self, at + self.before, program)


class If(Block):
    """A branch around the body."""

    def __init__(self, items, op, a, b, compressed):
        self.op, self.a, self.b, self.compressed = op, a, b, compressed
        self.extra_cost = 1
        super().__init__(items)

    def measure(self):
        self.before = 0
        super().measure()
        self.short = self.compressed and self.size < 250
        self.far = self.size > 4000
        self.before = 2 if self.short else 8 if self.far else 4
        self.size += self.before

    def emit(self, at, program):
        body = self.inner(at, program)
        if self.short:
            head = c_branch(self.op == "bne", self.a, self.size).to_bytes(2, "little")
        elif self.far:
            head = branch(BRANCHES[self.op] ^ 1, self.a, self.b, 8).to_bytes(4, "little")
            head += jal(0, self.size - 4).to_bytes(4, "little")
        else:
            head = branch(BRANCHES[self.op], self.a, self.b, self.size).to_bytes(4, "little")
        return head + body


class Loop(Block):
    """The body, `times` times; the counter runs down to zero, or up to a limit in another register."""

    def __init__(self, items, counter, times, limit=None):
        self.counter, self.times, self.limit = counter, times, limit
        super().__init__(items)

    def measure(self):
        self.begin = load_constant(self.counter, 0 if self.limit else self.times)
        if self.limit:
            self.begin += load_constant(self.limit, self.times)
        self.before = 4 * len(self.begin)
        self.after = 0
        Block.measure(self)
        self.cost = self.cost * self.times + 2 * self.times + 2
        self.far = self.size - self.before > 4000
        self.after = 12 if self.far else 8
        self.size += self.after

    def emit(self, at, program):
        out = b"".join(w.to_bytes(4, "little") for w in self.begin)
        out += self.inner(at, program)
        first, a, b = (4, self.counter, self.limit) if self.limit else (1, self.counter, 0)
        out += addi(self.counter, self.counter, 1 if self.limit else -1).to_bytes(4, "little")
        back = self.before - len(out)
        if not self.far:
            return out + branch(first, a, b, back).to_bytes(4, "little")
        return out + branch(first ^ 1, a, b, 8).to_bytes(4, "little") + jal(0, back - 4).to_bytes(4, "little")


class Call(Block):
    """A call of a function, by jal or through a register."""

    def __init__(self, function, link, through):
        self.function, self.link, self.through = function, link, through
        super().__init__([])

    def measure(self):
        self.size = 8 if self.through else 4
        self.cost = 2 + self.function.cost

    def children(self):
        return []

    def emit(self, at, program):
        distance = self.function.at - at
        if not self.through:
            return jal(self.link, distance).to_bytes(4, "little")
        high, low = high_low(distance)
        return (auipc(self.through, high).to_bytes(4, "little") +
                i_type(0x67, 0, self.link, self.through, low).to_bytes(4, "little"))


class Function(Block):
    """A body that returns through its link register."""
    after, extra_cost = 4, 1

    def __init__(self, items, link):
        self.link, self.at = link, 0
        super().__init__(items)

    def emit(self, at, program):
        return self.inner(at, program) + i_type(0x67, 0, 0, self.link, 0).to_bytes(4, "little")


class Switch(Block):
    """One of several bodies, by the low bits of a register, through a table of jumps."""

    def __init__(self, items, selector, register):
        self.selector, self.register = selector, register
        super().__init__(items) # each one is a Sequence

    def measure(self):
        Block.measure(self)
        count = len(self.items)
        self.size += 20 + 4 * count + 4 * count
        self.cost += 8

    def children(self):
        return self.items

    def emit(self, at, program):
        r, count = self.register, len(self.items)
        bits = count.bit_length() - 1
        out = [i_type(0x13, 7, r, self.selector, (1 << bits) - 1), i_type(0x13, 1, r, r, 2),
               auipc(31 if r != 31 else 30, 0)]
        t = 31 if r != 31 else 30
        out += [r_type(0x33, 0, 0, r, r, t), i_type(0x67, 0, 0, r, 12)]
        bodies, places = b"", []
        start = 20 + 4 * count
        for item in self.items:
            places.append(start + len(bodies))
            bodies += item.emit(at + start + len(bodies), program)
            bodies += jal(0, self.size - start - len(bodies)).to_bytes(4, "little")
        out += [jal(0, place - 20 - 4 * i) for i, place in enumerate(places)]
        return b"".join(w.to_bytes(4, "little") for w in out) + bodies


class Patch(Block):
    """Code that stores a new instruction over another one, and fence.i."""

    def __init__(self, target, word, registers):
        self.target, self.word, self.registers = target, word, registers
        super().__init__([])

    def measure(self):
        self.words = load_constant(self.registers[0], self.word)
        self.size = 4 * len(self.words) + 12
        self.cost = len(self.words) + 3

    def children(self):
        return []

    def emit(self, at, program):
        if not program.placed(self.target):
            return b"".join(addi(0, 0, 0).to_bytes(4, "little") for _ in range(self.size // 4))
        high, low = high_low(self.target.at - (at + 4 * len(self.words)))
        words = self.words + [auipc(self.registers[1], high),
                              s_type(2, self.registers[1], self.registers[0], low), 0x100F]
        return b"".join(w.to_bytes(4, "little") for w in words)


# ---- Making a case ----------------------------------------------------------------------------

class Rows:
    """The instruction table, sorted by what an instruction does."""

    def __init__(self, library):
        self.library = library
        self.wide, self.kinds, self.results = {}, {}, {}
        text = open(f"{ROOT}/src/isa/rv64.def", encoding="utf-8").read()
        for name, bits, shape, semantics in re.findall(
                r'^INSN\((\w+), "([01. ]+)", (\w+), "[^"]*", (.*)\)', text, re.M):
            kind = ("jump" if "CALL" in semantics or "BRANCH" in semantics or "TRAP" in semantics else
                    "fence_i" if "FENCE_I" in semantics else
                    "reserve" if "RESERVED" in semantics or "CONDITIONAL" in semantics else
                    "atomic" if "AMO_" in semantics else "csr" if "CSR" in semantics else
                    "memory" if "LOAD" in semantics or "STORE" in semantics else
                    "float" if "FP" in semantics or "WF" in semantics else "integer")
            self.wide[name] = (bits.replace(" ", ""), shape)
            self.kinds.setdefault(kind, []).append(name)
            self.results[name] = "integer" if semantics.startswith("WR") or kind == "csr" else "other"
        text = open(f"{ROOT}/src/isa/rvc.def", encoding="utf-8").read()
        self.short = [(name, bits.replace(" ", "")) for name, bits in
                      re.findall(r'^RVC\((\w+), "([01.nm ]+)"', text, re.M)]
        self.short = [row for row in self.short
                      if row[0] not in ("c_j", "c_jr", "c_jalr", "c_ebreak", "c_beqz", "c_bnez")]


class Maker:
    """Makes one case. Some registers have a meaning that random instructions must not change."""

    def __init__(self, rng, rows, wild, faults):
        self.rng, self.rows, self.wild, self.faults = rng, rows, wild, faults
        pool = [r for r in range(3, 32) if r not in (*LINKS, WAY_BACK)]
        rng.shuffle(pool)
        near = [r for r in pool if 8 <= r < 16][:1]
        pool = [r for r in pool if r not in near]
        self.pointers = [2, *near, *pool[:2]]
        self.counters = pool[2:6]
        self.limit = pool[6]
        self.reserved = {*self.pointers, *self.counters, self.limit, *LINKS, WAY_BACK}
        self.free = [r for r in range(1, 32) if r not in self.reserved]
        self.raws = []
        self.functions = []

    def address(self):
        """Somewhere in the data, often near the border of two pages."""
        rng = self.rng
        page = rng.choice((0, 0, 1, 3, 6, 7, 8, 8, 9, rng.randrange(DATA_PAGES)))
        if self.faults:
            page = rng.randrange(DATA_PAGES)
        offset = rng.choice((rng.randrange(4096), rng.randrange(0, 4096, 8), rng.randrange(4096 - 16, 4096),
                             rng.randrange(16), 2048, 512))
        return DATA + page * 4096 + offset

    def word(self, name):
        """A row's bits with random operands; a result goes to a free register."""
        rng = self.rng
        bits, shape = self.rows.wide[name]
        word = random_word(rng, bits)
        if self.rows.results[name] == "integer" and (word >> 7 & 31) in self.reserved:
            word = word & ~(31 << 7) | rng.choice(self.free) << 7
        if "R4" == shape or "FR" == shape:
            mode = rng.choice((0, 1, 2, 3, 4, 7, 7, 7, 7, 7, 7, 7, 5 if rng.random() < 0.02 else 0))
            word = word & ~(7 << 12) | mode << 12
        return word

    def integer(self):
        return self.raw([self.word(self.rng.choice(self.rows.kinds["integer"]))])

    def float(self):
        return self.raw([self.word(self.rng.choice(self.rows.kinds["float"]))])

    def stays_in_data(self, store):
        """Code may store over itself, and tine executes what it stored last. But "RISC-V does not guarantee
        that stores to instruction memory will be made visible to instruction fetches on a RISC-V hart
        until that hart executes a FENCE.I instruction", and qemu finishes the block it is in: so
        not where qemu is compared. Only pointers are sure to point to data."""
        return store and not self.wild

    def memory(self):
        rng = self.rng
        word = self.word(rng.choice(self.rows.kinds["memory"]))
        store = word & 0x7F in (0x23, 0x27)
        if rng.random() > 0.005 or self.stays_in_data(store):
            word = word & ~(31 << 15) | rng.choice(self.pointers) << 15
        if rng.random() < 0.5: # near the pointer
            imm = rng.randrange(-4, 12) * 8 if rng.random() < 0.8 else rng.randrange(-64, 64)
            word = word & ~(0xFE000F80 if store else 0xFFF00000)
            word |= s_type(0, 0, 0, imm) & 0xFE000F80 if store else (imm & 0xFFF) << 20
        return self.raw([word])

    def atomic(self):
        """At an aligned place; a reservation is taken and used at once."""
        rng = self.rng
        t = rng.choice(self.free)
        words = [i_type(0x13, 7, t, rng.choice(self.pointers), -8)]
        if self.wild and rng.random() < 0.05:
            words = [addi(t, rng.choice(self.pointers), rng.randrange(8))]
        place = lambda word: word & ~(31 << 15) | t << 15
        if rng.random() < 0.6:
            return self.raw([*words, place(self.word(rng.choice(self.rows.kinds["atomic"])))])
        if not self.wild: # whether an SC without a reservation faults is up to the implementation
            words = load_constant(t, DATA + 8 * 4096 + rng.randrange(0, 8192, 8))
        size = rng.choice("wd")
        load, store = self.word(f"lr_{size}"), self.word(f"sc_{size}")
        other = rng.choice([r for r in self.free if r != t])
        middle = [addi(other, other, rng.randrange(-9, 9)) for _ in range(rng.randrange(3))]
        if rng.random() < 0.1:
            return self.raw([*words, place(store)])
        return self.raw([*words, place(load & ~(31 << 7) | other << 7), *middle, place(store)])

    def csr(self):
        rng = self.rng
        word = self.word(rng.choice(self.rows.kinds["csr"]))
        csr = rng.choice((1, 1, 2, 3))
        if csr != 1 and rng.random() > 0.05: # a valid rounding mode, as a rule
            word = rng.randrange(5 if csr == 2 else 32) << 15 | 5 << 12 | word & 0xFFF
        return self.raw([word & 0xFFFFF | csr << 20])

    def compressed(self):
        rng = self.rng
        for _ in range(200):
            name, bits = rng.choice(self.rows.short)
            word = random_word(rng, bits)
            found = library_name(self.rows.library, word)
            if not found or found[0] not in self.rows.wide:
                continue
            op, insn = found
            if op in self.rows.kinds["jump"]:
                continue
            if self.rows.results[op] == "integer" and insn.rd in self.reserved:
                continue
            if op in self.rows.kinds["memory"] and insn.rs1 not in self.pointers and (
                    rng.random() > 0.01 or self.stays_in_data(op in ("sb", "sh", "sw", "sd", "fsw", "fsd"))):
                continue
            return self.raw([word])
        return self.integer()

    def pointer(self):
        rng = self.rng
        r = rng.choice(self.pointers)
        if rng.random() < 0.3:
            return self.raw([addi(r, r, rng.choice((8, -8, 16, 1, -1, 4, 64, -64)))])
        return self.raw(load_constant(r, self.address()))

    def value(self):
        r = self.rng.choice(self.free)
        words = load_constant(r, interesting(self.rng))
        if self.rng.random() < 0.5:
            words.append(0xF2000053 | r << 15 | self.rng.randrange(32) << 7)
        return self.raw(words)

    def idiom(self):
        """What compilers write, and translators fold."""
        rng = self.rng
        a, b, p = rng.choice(self.free), rng.choice(self.free), rng.choice(self.pointers)
        load = i_type(3, rng.randrange(7), b, a, rng.randrange(0, 64, 8))
        shift = rng.randrange(4)
        index = [i_type(0x13, 7, a, b, 15), i_type(0x13, 1, a, a, shift), r_type(0x33, 0, 0, a, a, p)]
        store = s_type(rng.randrange(4), a, b, 0)
        spill = rng.randrange(0, 128, 8)
        between = [self.word(rng.choice(self.rows.kinds["integer"])) for _ in range(rng.randrange(3))]
        compare = r_type(0x53, rng.randrange(3), 0x50 + rng.randrange(2), b, rng.randrange(32), rng.randrange(32))
        return self.raw(rng.choice((
            [*index, load], [*index, store],
            [i_type(0x13, 1, a, b, 32), i_type(0x13, 5, a, a, 32 - shift)],
            [i_type(0x13, 1, a, b, 48), i_type(0x13, 5, a, a, 0x430)],
            [i_type(0x1B, 0, a, b, 0), r_type(0x33, 2, 0, b, a, b)],
            [r_type(0x33, 3, 0, a, b, a), i_type(0x13, 4, a, a, 1)],
            [auipc(a, 0), addi(a, a, rng.randrange(-2048, 2048))],
            [auipc(a, 0), i_type(3, 3, b, a, rng.randrange(0, 64, 8))],
            [lui(a, DATA >> 12), i_type(3, rng.randrange(7), b, a, rng.randrange(2048))],
            [s_type(3, p, a, 0), s_type(3, p, b, 8), i_type(3, 3, b, p, 0), i_type(3, 3, a, p, 8)],
            [r_type(0x3B, 0, 0, a, a, b), i_type(0x1B, 1, a, a, 7), i_type(0x1B, 5, b, b, 25),
             r_type(0x33, 6, 0, a, a, b)],
            [r_type(0x33, 0, 1, a, a, b), r_type(0x33, 3, 1, b, a, b)],
            [s_type(2, 2, b, spill), *between, i_type(3, 3, a, 2, spill)], # a word, fetched as 64 bits
            [s_type(3, 2, b, spill), s_type(2, 2, b, spill), i_type(3, 3, a, 2, spill), load],
            [0x00102073 | a << 7, compare, *between, 0x00101073 | a << 15], # a quiet comparison
            [0x00102073 | a << 7, compare, 0x00101073 | a << 15],
            [i_type(0x13, 0, 17, 0, 124), 0x73] if 17 in self.free and 10 in self.free else [0x33],
        )))

    def group(self):
        """Accesses off the same few registers, which a translator may look up together; the registers move,
        and some accesses are branched over."""
        rng, words = self.rng, []
        pointers = rng.sample(self.pointers, rng.choice((1, 2, 2, 3)))
        for _ in range(rng.randrange(4, 20)):
            p, imm = rng.choice(pointers), rng.choice((8 * rng.randrange(-2, 8), rng.randrange(-40, 40)))
            access = rng.choice((i_type(3, rng.randrange(7), rng.choice(self.free), p, imm),
                                 s_type(rng.randrange(4), p, rng.randrange(32), imm),
                                 i_type(7, rng.choice((2, 3)), rng.randrange(32), p, imm),
                                 s_type(rng.choice((2, 3)), p, rng.randrange(32), imm) ^ 4))
            if rng.random() < 0.15:
                words.append(branch(rng.choice((0, 1, 4, 5, 6, 7)), rng.choice(self.free), rng.choice(self.free), 8))
            words.append(access)
            if rng.random() < 0.2:
                words.append(addi(p, p, rng.choice((8, -8, 1, 16))))
            if rng.random() < 0.2:
                words.append(self.word(rng.choice(self.rows.kinds["integer"])))
        return self.raw(words)

    def kill(self):
        """A signal of its own making: getpid, kill. Where the registers for that are not to be had, none."""
        if not {10, 11, 17} <= set(self.free):
            return self.integer()
        return self.raw([addi(17, 0, 172), 0x73, addi(11, 0, self.rng.choice((10, 12))), addi(17, 0, 129), 0x73])

    def bad(self):
        """What ends in a signal, whoever executes it."""
        rng = self.rng
        t = rng.choice(self.free)
        target = rng.choice((DATA, DATA + 1, 0, 0x30000000, 2**40, DATA + 5 * 4096))
        return self.raw(rng.choice((
            [0x00100073], [0x9002], [0x0000], [0xFFFFFFFF], [0x80051073 | t << 15],
            [*load_constant(t, target), i_type(0x67, 0, WAY_BACK, t, rng.randrange(8))],
            [*load_constant(t, rng.choice((0, 8, 2**39, 2**63, 2**64 - 8, 0x7FFFFFFFFFF8))),
             i_type(3, 3, rng.choice(self.free), t, 0)])))

    def raw(self, words):
        item = Raw(words)
        if len(words) == 1 and item.size == 4:
            self.raws.append(item)
        return item

    KINDS = ((integer, 26), (memory, 20), (float, 16), (compressed, 16), (idiom, 8), (atomic, 4),
             (csr, 2), (pointer, 4), (value, 4), (group, 2), (bad, 0.15))
    FAULTS = ((integer, 16), (memory, 26), (float, 6), (compressed, 16), (idiom, 6), (atomic, 6),
              (csr, 1), (pointer, 6), (value, 2), (group, 5), (kill, 1), (bad, 0.5))

    def plain(self):
        kinds, weights = zip(*(self.FAULTS if self.faults else self.KINDS))
        return self.rng.choices(kinds, weights)[0](self)

    def structure(self, depth, counters, callable_, link):
        """A construct with bodies of its own."""
        rng = self.rng
        kind = rng.choice(("if", "if", "if", "loop", "loop", "call", "switch", "patch"))
        body = lambda n, c: self.items(rng.randrange(1, n), depth + 1, c, callable_, link)
        if kind == "loop" and counters:
            limit = self.limit if rng.random() < 0.3 and depth == 0 else None
            items = body(20, counters[1:])
            cost = sum(i.cost for i in items)
            return Loop(items, counters[0], max(1, min(rng.choice((3, 20, 100, 300)), 20000 // (cost + 1))), limit)
        if kind == "call" and callable_:
            through = rng.choice(self.free) if rng.random() < 0.4 else None
            return Call(rng.choice(callable_), link, through)
        if kind == "switch" and len(self.free) > 4:
            items = [Sequence(body(6, counters)) for _ in range(rng.choice((2, 4)))]
            register = rng.choice([r for r in self.free if r not in (30, 31)])
            if 30 in self.free and 31 in self.free:
                return Switch(items, rng.choice(self.free), register)
        if kind == "patch" and self.raws and rng.random() < 0.3:
            a, b = rng.sample(self.free, 2)
            target = rng.choice(self.raws)
            return Patch(target, self.word(rng.choice(self.rows.kinds["integer"])), (a, b))
        short = [r for r in self.free if 8 <= r < 16]
        if rng.random() < 0.4 and short:
            return If(body(10, counters), rng.choice(("beq", "bne")), rng.choice(short), 0, True)
        return If(body(10, counters), rng.choice(list(BRANCHES)), rng.randrange(32), rng.randrange(32), False)

    def items(self, count, depth, counters, callable_, link):
        out = []
        for _ in range(count):
            if depth < 4 and self.rng.random() < 0.15:
                out.append(self.structure(depth, counters, callable_, link))
            else:
                out.append(self.plain())
        return out


class Program:
    def __init__(self, rng, rows, wild, faults):
        self.maker = m = Maker(rng, rows, wild, faults)
        inner = [Function(m.items(rng.randrange(1, 12), 3, m.counters[3:], [], 0), LINKS[1])
                 for _ in range(2)]
        outer = [Function(m.items(rng.randrange(1, 16), 3, m.counters[2:3], inner, LINKS[1]), LINKS[0])
                 for _ in range(3)]
        main = Sequence([])
        size = rng.choice((40, 150, 400))
        while len(main.items) < size and main.cost < 300000:
            main.items += m.items(10, 0, m.counters[:2], outer, LINKS[0])
            main.measure()
        self.parts = [*inner, *outer, main]
        self.main = main
        self.pad = rng.choice((0, 0, 2, 4, 1000, 4090, 4094))
        self.header(rng)

    def header(self, rng):
        m = self.maker
        self.seed = rng.getrandbits(60)
        self.manner = rng.choice((FROM_FILE, ANONYMOUS, WRITABLE))
        self.passes = rng.choice((1, 1, 2, 3))
        self.forks = rng.choice((0, 0, 0, 1, 2))
        self.timer = rng.choice((1, 3, 20, 100)) if m.wild and rng.random() < 0.7 else 0
        self.shared = rng.random() < 0.4
        self.x = [m.address() if r in m.pointers else interesting(rng) for r in range(32)]
        self.f = [interesting(rng) for _ in range(32)]
        self.fcsr = rng.randrange(5) << 5 | rng.choice((0, rng.randrange(32)))
        self.patches = [(rng.randrange(1, 40), rng.choice(m.raws), m.word(rng.choice(m.rows.kinds["integer"])))
                        for _ in range(rng.choice((0, 0, 2, 6)))]

    def placed(self, raw):
        return raw in self.present

    def image(self):
        """The file jit_random_guest reads."""
        for part in self.parts:
            part.measure()
        self.present = set(raws_of(self.parts))
        at = self.pad
        for part in self.parts:
            part.at = at
            at += part.size
        code = b"\0" * self.pad
        for _ in range(2): # the second time every place is known
            code = code[:self.pad]
            for part in self.parts:
                code += part.emit(len(code), self)
        self.end = len(code)
        code += (0x00100073).to_bytes(4, "little") + b"\0\0\0\0"
        patches = [p for p in self.patches if p[1] in self.present]
        head = struct.pack("<11Q", len(code), self.main.at, self.end, self.seed, self.manner, self.passes,
                           self.forks, self.timer, self.shared, self.maker.faults, len(patches))
        head += struct.pack("<65Q", *self.x, *self.f, self.fcsr)
        for when, raw, word in patches:
            head += struct.pack("<QIIQ", when, raw.at, 4, word)
        return head.ljust(4096, b"\0") + code


def raws_of(parts):
    for part in parts:
        if isinstance(part, Raw):
            yield part
        elif isinstance(part, Switch) or isinstance(part, Sequence):
            yield from raws_of(part.items)


# ---- Running and comparing ----------------------------------------------------------------------

def engines(wanted):
    help_text = subprocess.run([TINE, "--help"], capture_output=True, text=True, check=True).stdout
    names = ["off", "on", "lockstep"] if "--jit" in help_text else [""]
    found = {f"tine {name}".strip(): [TINE, *([f"--jit={name}"] if name else [])] for name in names}
    if QEMU:
        found["qemu"] = [QEMU]
    if wanted:
        found = {name: line for name, line in found.items() if name.split()[-1] in wanted}
    return found, "--slice" in help_text


class Result:
    def __init__(self, done, tine):
        self.status, self.output, self.errors = done.returncode, done.stdout, done.stderr
        self.stats = {}
        if tine and self.errors.rstrip().endswith(b"}"):
            self.stats = json.loads(self.errors.strip().splitlines()[-1])

    def records(self):
        """Of the last process: (records, memory); processes that ended before it come first."""
        at, all_ = 0, []
        while at + 8 <= len(self.output):
            count = struct.unpack_from("<Q", self.output, at)[0]
            at += 8
            size = RECORD.size * count
            memory = self.output[at + size:at + size + DUMPED_PAGES * 4096]
            all_.append(([RECORD.unpack_from(self.output, at + RECORD.size * i)
                          for i in range(min(count, (len(self.output) - at) // RECORD.size))], memory))
            at += size + DUMPED_PAGES * 4096
        return all_


def normal(record):
    """A record without what emulators may tell differently: addresses outside of the data."""
    address = record[2]
    return (*record[:2], address if DATA <= address < DATA + DATA_PAGES * 4096 else 0, *record[3:])


def describe(a, b, names):
    """The first difference of two results, in words."""
    if a.status != b.status:
        return f"status: {names[0]} {a.status}, {names[1]} {b.status} {b.errors[-300:]}"
    for which, ((ra, ma), (rb, mb)) in enumerate(zip(a.records(), b.records())):
        for i, (x, y) in enumerate(zip(ra, rb)):
            x, y = normal(x), normal(y)
            if x == y:
                continue
            fields = ["signal", "pc", "address", "fcsr", *(f"x{r}" for r in range(32)),
                      *(f"f{r}" for r in range(32))]
            before = f", after {ra[i - 1][1]:#x}" if i else ""
            return f"process {which}, record {i} at pc {x[1]:#x}{before}: " + "; ".join(
                f"{n}: {names[0]} {p:#x}, {names[1]} {q:#x}" for n, p, q in zip(fields, x, y) if p != q)
        if len(ra) != len(rb):
            return f"process {which}: {len(ra)} records, {len(rb)}"
        for i in range(0, len(ma), 8):
            if ma[i:i + 8] != mb[i:i + 8]:
                page = i // 4096 + (i // 4096 >= 2)
                return (f"process {which}, memory {DATA + page * 4096 + i % 4096:#x}: "
                        f"{names[0]} {ma[i:i + 8][::-1].hex()}, {names[1]} {mb[i:i + 8][::-1].hex()}")
    return f"{len(a.records())} processes, {len(b.records())}" if len(a.output) != len(b.output) else ""


class Tester:
    def __init__(self, folder, options):
        self.folder, self.options = folder, options
        self.engines, self.slices = engines(options.engines)
        self.guest = os.path.join(folder, "guest")
        subprocess.run(["riscv64-linux-gnu-gcc", "-std=gnu11", "-O1", "-g", "-static", "-o", self.guest,
                        os.path.join(ROOT, "tests", "fuzz", "jit_random_guest.c")], check=True)
        self.rows = Rows(build(folder))
        self.runs = 0

    def go(self, name, case, *more):
        line = list(self.engines[name])
        if name != "qemu":
            line += ["--stats=json", "--time=virtual", *more]
        self.runs += 1
        try:
            done = subprocess.run([*line, self.guest, case], capture_output=True, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            done = subprocess.CompletedProcess(line, "timeout", b"", b"")
        return Result(done, name != "qemu")

    def compare(self, program, rng):
        """What is different between the engines; empty: nothing."""
        case = os.path.join(self.folder, "case")
        with open(case, "wb") as file:
            file.write(program.image())
        first = next(iter(self.engines))
        want = self.go(first, case)
        if want.status != 0:
            return f"{first}: status {want.status} {want.errors[-300:]}"
        for name in list(self.engines)[1:]:
            if name == "qemu" and program.maker.wild:
                continue
            more = []
            if name != "qemu" and self.slices and not program.timer and rng.random() < 0.5:
                # Lockstep pays for each slice.
                more = [f"--slice={rng.choice((1, 2, 7, 50, 999, 20000) if 'lock' not in name else (97, 999, 20000))}"]
            got = self.go(name, case, *more)
            text = describe(want, got, (first, name))
            if b"tine: jit: " in got.errors: # what lockstep found
                text = got.errors.decode(errors="replace").splitlines()[0]
            counts = [r.stats.get("instructions") for r in (want, got)]
            uncounted = name == "qemu" or program.timer or (more and program.maker.faults) # children that wait
            if not text and not uncounted and counts[0] != counts[1]:
                text = f"instructions: {first} {counts[0]}, {name} {counts[1]}"
            if text:
                return " ".join([name, *more, text])
        return self.fuel(case, want, rng) if rng.random() < 0.3 else ""

    def fuel(self, case, want, rng):
        names = [name for name in self.engines if name != "qemu"]
        total = want.stats.get("instructions", 0)
        amount = rng.randrange(1, total + 1)
        results = [self.go(name, case, f"--fuel={amount}") for name in names]
        for name, got in zip(names, results):
            if (got.status, got.errors.splitlines()[:1]) != (results[0].status, results[0].errors.splitlines()[:1]) \
                    or got.output != results[0].output:
                return (f"--fuel={amount}: {names[0]} {results[0].status} {results[0].errors[:200]}, "
                        f"{name} {got.status} {got.errors[:200]}")
        return ""


def sequences_of(parts):
    for part in parts:
        if isinstance(part, Sequence):
            if not isinstance(part, Switch):
                yield part
            yield from sequences_of(part.items)


def reduce(tester, program, seed, budget):
    """Leaves out items as long as something still differs."""
    begin = time.monotonic()
    fails = lambda: tester.compare(program, random.Random(seed))
    changed = True
    while changed and time.monotonic() - begin < budget:
        changed = False
        for sequence in list(sequences_of(program.parts)):
            step = max(1, len(sequence.items) // 2)
            while step and time.monotonic() - begin < budget:
                at = 0
                while at < len(sequence.items) and time.monotonic() - begin < budget:
                    saved = list(sequence.items)
                    del sequence.items[at:at + step]
                    if fails():
                        changed = True
                    else:
                        sequence.items[:] = saved
                        at += step
                step //= 2
        for field, plain in (("passes", 1), ("forks", 0), ("timer", 0), ("shared", False), ("patches", [])):
            saved = getattr(program, field)
            setattr(program, field, plain)
            if saved != plain and not fails():
                setattr(program, field, saved)
    image = program.image()
    path = os.path.join(tester.folder, "code")
    with open(path, "wb") as file:
        file.write(image[4096:])
    listing = subprocess.run(["riscv64-linux-gnu-objdump", "-D", "-b", "binary", "-m", "riscv:rv64",
                              f"--adjust-vma={CODE:#x}", f"--start-address={CODE + program.pad:#x}", path],
                             capture_output=True, text=True, check=False).stdout
    m = program.maker
    print(f"reduced (entry {CODE + program.main.at:#x}, manner {program.manner}, passes {program.passes}, "
          f"forks {program.forks}, timer {program.timer}, patches "
          f"{[(w, hex(CODE + r.at), hex(i)) for w, r, i in program.patches if r in program.present]}, "
          f"pointers {m.pointers}):\n{fails()}\n{listing}")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--count", type=int, default=10**9)
    parser.add_argument("--reduce", action="store_true")
    parser.add_argument("--keep", metavar="DIR")
    parser.add_argument("--engines", type=lambda text: text.split(","))
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().getrandbits(32)
    first, bad, begin = seed, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        tester = Tester(folder, options)
        while seed - first < options.count and time.monotonic() - begin < options.seconds and bad < 5:
            rng = random.Random(seed)
            program = Program(rng, tester.rows, options.faults or rng.random() < 0.3, options.faults)
            text = tester.compare(program, random.Random(seed))
            if text:
                bad += 1
                print(f"seed {seed}: {text}", flush=True)
                if options.keep:
                    os.makedirs(options.keep, exist_ok=True)
                    shutil.copy(os.path.join(folder, "case"), os.path.join(options.keep, f"case-{seed}"))
                    shutil.copy(tester.guest, os.path.join(options.keep, "guest"))
                if options.reduce:
                    reduce(tester, program, seed, 120)
                    if options.keep:
                        shutil.copy(os.path.join(folder, "case"), os.path.join(options.keep, f"reduced-{seed}"))
            seed += 1
        print(f"jit_random: {seed - first} cases from seed {first}, {tester.runs} runs of "
              f"{', '.join(tester.engines)}, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
