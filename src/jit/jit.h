// The JIT: an engine (cpu/cpu.h) that translates hot code and leaves the rest to the interpreter.
#ifndef JIT_JIT_H
#define JIT_JIT_H

#include "cpu/cpu.h"

extern const struct engine jit_engine;
extern const struct engine lockstep_engine; // compares it with the interpreter

#endif
