// The loop of an interpreter: a small register machine runs a sieve, Collatz' sequences and a
// recursive function, all written in its own code.
#define CHECKSUM 0xaed9a69b166683b8
#include "cpu.h"

enum op { SET, MOVE, ADD, ADDI, SUB, MUL, SHR, AND, LOAD, STORE, JUMP, JLT, JEQ, CALL, RET, HALT };

// What an instruction does: SET a = imm; ADD a = b + c; ADDI a = b + imm; LOAD a = memory[b];
// STORE memory[b] = a; JUMP, JLT (a < b), JEQ (a == b) and CALL go to imm.
struct insn {
    unsigned char op, a, b, c;
    int32_t imm;
};

enum { REGISTERS = 16, MEMORY = 1 << 16, DEPTH = 4096 };

struct vm {
    int64_t r[REGISTERS];
    int64_t memory[MEMORY];
    struct {
        uint32_t pc;
        int64_t saved[4]; // r0 to r3 are the callee's own
    } stack[DEPTH];
    uint64_t executed;
};

static int64_t run(struct vm *vm, const struct insn *code)
{
    int64_t *r = vm->r;
    uint32_t pc = 0, depth = 0;

    for (;; vm->executed++) {
        const struct insn *i = &code[pc++];

        switch (i->op) {
        case SET:
            r[i->a] = i->imm;
            break;
        case MOVE:
            r[i->a] = r[i->b];
            break;
        case ADD:
            r[i->a] = r[i->b] + r[i->c];
            break;
        case ADDI:
            r[i->a] = r[i->b] + i->imm;
            break;
        case SUB:
            r[i->a] = r[i->b] - r[i->c];
            break;
        case MUL:
            r[i->a] = r[i->b] * r[i->c];
            break;
        case SHR:
            r[i->a] = (int64_t)((uint64_t)r[i->b] >> i->imm);
            break;
        case AND:
            r[i->a] = r[i->b] & i->imm;
            break;
        case LOAD:
            r[i->a] = vm->memory[r[i->b] & (MEMORY - 1)];
            break;
        case STORE:
            vm->memory[r[i->b] & (MEMORY - 1)] = r[i->a];
            break;
        case JUMP:
            pc = (uint32_t)i->imm;
            break;
        case JLT:
            if (r[i->a] < r[i->b])
                pc = (uint32_t)i->imm;
            break;
        case JEQ:
            if (r[i->a] == r[i->b])
                pc = (uint32_t)i->imm;
            break;
        case CALL:
            if (depth == DEPTH)
                return -1;
            vm->stack[depth].pc = pc;
            memcpy(vm->stack[depth++].saved, r, sizeof(vm->stack[0].saved));
            pc = (uint32_t)i->imm;
            break;
        case RET: // the value is in r15
            pc = vm->stack[--depth].pc;
            memcpy(r, vm->stack[depth].saved, sizeof(vm->stack[0].saved));
            break;
        case HALT:
            return r[i->a];
        default:
            return -1;
        }
    }
}

// r5: how many primes there are below MEMORY.
static const struct insn sieve[] = {
    {SET, 0, 0, 0, MEMORY}, {SET, 1, 0, 0, 2}, {SET, 5, 0, 0, 0}, {SET, 6, 0, 0, 1}, {SET, 7, 0, 0, 0},
    /* 5 */ {JLT, 1, 0, 0, 7},
    /* 6 */ {HALT, 5, 0, 0, 0},
    /* 7 */ {LOAD, 2, 1, 0, 0},
    {JEQ, 2, 6, 0, 15},
    {ADDI, 5, 5, 0, 1},
    {MUL, 3, 1, 1, 0},
    /* 11 */ {JLT, 3, 0, 0, 13},
    {JUMP, 0, 0, 0, 15},
    /* 13 */ {STORE, 6, 3, 0, 0},
    {ADD, 3, 3, 1, 0},
    /* 15: the inner loop goes on, or the outer one */ {JLT, 3, 0, 0, 19},
    /* 16 */ {ADDI, 1, 1, 0, 1},
    {SET, 3, 0, 0, MEMORY},
    {JUMP, 0, 0, 0, 5},
    /* 19 */ {JEQ, 2, 6, 0, 16},
    {JUMP, 0, 0, 0, 13},
};

// r5: the steps of Collatz' sequences from 1 to 20,000, together.
static const struct insn collatz[] = {
    {SET, 0, 0, 0, 20000}, {SET, 1, 0, 0, 1}, {SET, 5, 0, 0, 0}, {SET, 6, 0, 0, 1}, {SET, 7, 0, 0, 3},
    /* 5 */ {MOVE, 2, 1, 0, 0},
    /* 6 */ {JEQ, 2, 6, 0, 15},
    {ADDI, 5, 5, 0, 1},
    {AND, 3, 2, 0, 1},
    {JEQ, 3, 6, 0, 12},
    {SHR, 2, 2, 0, 1},
    {JUMP, 0, 0, 0, 6},
    /* 12 */ {MUL, 2, 2, 7, 0},
    {ADDI, 2, 2, 0, 1},
    {JUMP, 0, 0, 0, 6},
    /* 15 */ {ADDI, 1, 1, 0, 1},
    {JLT, 1, 0, 0, 5},
    {HALT, 5, 0, 0, 0},
};

// Fibonacci's 23rd number, by its definition. The argument is in r4, the result in r15.
static const struct insn fibonacci[] = {
    {SET, 4, 0, 0, 23}, {CALL, 0, 0, 0, 3}, {HALT, 15, 0, 0, 0},
    /* 3 */ {SET, 8, 0, 0, 2},
    {JLT, 4, 8, 0, 13},
    {MOVE, 0, 4, 0, 0},
    {ADDI, 4, 0, 0, -1},
    {CALL, 0, 0, 0, 3},
    {MOVE, 1, 15, 0, 0},
    {ADDI, 4, 0, 0, -2},
    {CALL, 0, 0, 0, 3},
    {ADD, 15, 15, 1, 0},
    {RET, 0, 0, 0, 0},
    /* 13 */ {MOVE, 15, 4, 0, 0},
    {RET, 0, 0, 0, 0},
};

static uint64_t work(void)
{
    static struct vm vm;
    uint64_t sum = 0;

    for (int round = 0; round < 4; round++) {
        memset(vm.memory, 0, sizeof(vm.memory));
        sum = sum * 31 + (uint64_t)run(&vm, sieve);
        sum = sum * 31 + (uint64_t)run(&vm, collatz);
        sum = sum * 31 + (uint64_t)run(&vm, fibonacci);
    }
    return sum * 31 + vm.executed;
}
