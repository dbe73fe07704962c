#!/usr/bin/env python3.11
"""Makes the instruction decoder from the tables: gen_decode.py rv64.def rvc.def isa_decode.inc

Fails when two rows match the same word. (A compressed row that is a special case of another is
tried first instead, as the manual lays them out.)
"""
import os
import re
import sys


class Row:
    def __init__(self, name, bits, width, where):
        self.name, self.where = name, where
        bits = bits.replace(" ", "")
        if len(bits) != width or re.search(r"[^01.nm]", bits):
            sys.exit(f"{where}: {name}: an encoding is {width} bits of 01.nm, this has {len(bits)}")
        pick = lambda chars: sum(1 << (width - 1 - i) for i, c in enumerate(bits) if c in chars)
        self.mask, self.match = pick("01"), pick("1")
        self.nonzero = [m for m in (pick("n"), pick("m")) if m]

    def matches(self, word):
        return word & self.mask == self.match and all(word & m for m in self.nonzero)

    def overlaps(self, other):
        both = self.mask & other.mask
        if (self.match ^ other.match) & both:
            return False
        fixed, ones = self.mask | other.mask, self.match | other.match
        return not any(m & ~fixed == 0 and m & ones == 0 for m in self.nonzero + other.nonzero)

    def special_case_of(self, other):
        return self.mask != other.mask and self.mask & other.mask == other.mask


def read_table(path, macro, width):
    rows = []
    pattern = re.compile(rf'^{macro}\((\w+), "([01.nm ]+)", (.*)\)\s*$')
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        if not line.startswith(macro + "("):
            continue
        found = pattern.match(line)
        if not found:
            sys.exit(f"{path}:{number}: not a row: {line.strip()}")
        row = Row(found[1], found[2], width, f"{path}:{number}")
        row.rest = found[3]
        rows.append(row)
    return rows


def check(rows, special_cases):
    bad = 0
    for i, a in enumerate(rows):
        for b in rows[:i]:
            if a.name == b.name:
                print(f"{a.where}: {a.name} is there twice", file=sys.stderr)
                bad += 1
            elif a.overlaps(b):
                if special_cases and (a.special_case_of(b) or b.special_case_of(a)):
                    continue
                print(f"{a.where}: {a.name} overlaps {b.name} ({b.where})", file=sys.stderr)
                bad += 1
    if bad:
        sys.exit(1)


def field(mask):
    """The lowest run of set bits in mask: (shift, width)."""
    shift = (mask & -mask).bit_length() - 1
    width = 0
    while mask >> (shift + width) & 1:
        width += 1
    return shift, width


def tree(rows, decided, prefix, out, indent):
    """Emits statements that return a row's number, or fall through when no row matches."""
    pad = "    " * indent
    common = ~decided
    for r in rows:
        common &= r.mask
    common &= 0xFFFFFFFF
    if len(rows) == 1 or not common:
        rows = sorted(rows, key=lambda r: -bin(r.mask).count("1"))
        for r in rows:
            rest = r.mask & ~decided
            tests = [f"(w & {rest:#x}) == {r.match & rest:#x}"] if rest else []
            tests += [f"(w & {m:#x}) != 0" for m in r.nonzero]
            if tests:
                out.append(f"{pad}if ({' && '.join(tests)})")
                out.append(f"{pad}    return {prefix}{r.name};")
            else:
                out.append(f"{pad}return {prefix}{r.name};")
        return
    shift, width = field(common)
    mask = ((1 << width) - 1) << shift
    groups = {}
    for r in rows:
        groups.setdefault((r.match & mask) >> shift, []).append(r)
    out.append(f"{pad}switch ((w >> {shift}) & {(1 << width) - 1:#x}) {{")
    for value in sorted(groups):
        out.append(f"{pad}case {value:#x}:")
        before = len(out)
        tree(groups[value], decided | mask, prefix, out, indent + 1)
        if not (out[before].startswith(pad + "    return")):
            out.append(f"{pad}    break;")
    out.append(f"{pad}default:")
    out.append(f"{pad}    break;")
    out.append(f"{pad}}}")


def flags(row):
    operands = re.search(r'"([^"]*)"', row.rest)[1]
    names = []
    if "d" in operands:
        names.append("RV_WRITES_X")
    if "BRANCH(" in row.rest:
        names.append("RV_BRANCHES")
    if re.search(r"CALL\(|CALL_REG\(|TRAP\(|FENCE_I\(", row.rest):
        names.append("RV_ENDS_BLOCK")
    if "FP_RM(" in row.rest:
        names.append("RV_ROUNDS")
    return " | ".join(names) or "0"


def main():
    base = read_table(sys.argv[1], "INSN", 32)
    compressed = read_table(sys.argv[2], "RVC", 16)
    check(base, False)
    check(compressed, True)
    for r in base:
        if r.match & r.mask & 3 != 3:
            sys.exit(f"{r.where}: {r.name}: a 32-bit encoding ends in 11")
    out = ["// Made by tools/gen_decode.py; do not edit.", ""]
    out += ["static u16 find_base(u32 w)", "{"]
    tree(base, 0, "OP_", out, 1)
    out += ["    return OP_illegal;", "}", "", "static u16 find_compressed(u32 w)", "{"]
    tree(compressed, 0, "RVC_", out, 1)
    out += ["    return RVC_none;", "}", "", "const u8 rv_flags[OP_COUNT] = {"]
    out += [f"    [OP_{r.name}] = {flags(r)}," for r in base]
    out += ["};", ""]
    os.makedirs(os.path.dirname(sys.argv[3]) or ".", exist_ok=True)
    with open(sys.argv[3], "w", encoding="utf-8") as f:
        f.write("\n".join(out))


main()
