// What the measuring programs share. They are built for riscv64 and for the host from one source, and
// print lines "NAME VALUE": microseconds, unless the name says otherwise.
#ifndef BENCH_H
#define BENCH_H

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static inline double now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

// A clock that stores nothing and calls nothing: between a fork and the first store after it, no
// other store may happen.
static inline uint64_t ticks(void)
{
#ifdef __riscv
    uint64_t t;

    __asm__ volatile("rdtime %0" : "=r"(t)::"memory");
    return t;
#else
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
#endif
}

// Microseconds of one tick, measured against the clock.
static inline double tick_us(void)
{
    double begin = now_us(), end;
    uint64_t first = ticks(), last;

    do {
        end = now_us();
        last = ticks();
    } while (end - begin < 50000);
    return (end - begin) / (double)(last - first);
}

// fork as the bare system call: 0 in the child. Everything stays in registers.
static inline __attribute__((always_inline)) long raw_fork(void)
{
#ifdef __riscv
    register long a0 __asm__("a0") = SIGCHLD;
    register long a1 __asm__("a1") = 0;
    register long a2 __asm__("a2") = 0;
    register long a3 __asm__("a3") = 0;
    register long a4 __asm__("a4") = 0;
    register long a7 __asm__("a7") = SYS_clone;

    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a7) : "memory");
    return a0;
#else
    register long r10 __asm__("r10") = 0;
    register long r8 __asm__("r8") = 0;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_clone), "D"(SIGCHLD), "S"(0), "d"(0), "r"(r10), "r"(r8)
                     : "rcx", "r11", "memory");
    return result;
#endif
}

// A system call of one argument that does not return to the caller's stack.
static inline __attribute__((always_inline)) long raw_call(long number, long argument)
{
#ifdef __riscv
    register long a0 __asm__("a0") = argument;
    register long a1 __asm__("a1") = 0;
    register long a2 __asm__("a2") = 0;
    register long a3 __asm__("a3") = 0;
    register long a7 __asm__("a7") = number;

    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a3), "r"(a7) : "memory");
    return a0;
#else
    register long r10 __asm__("r10") = 0;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(argument), "S"(0), "d"(0), "r"(r10)
                     : "rcx", "r11", "memory");
    return result;
#endif
}

// Ends or parks a child without a store.
static inline __attribute__((always_inline)) void raw_exit(void)
{
    raw_call(SYS_exit_group, 0);
    __builtin_unreachable();
}

static inline __attribute__((always_inline)) void raw_sleep_forever(void)
{
    for (;;)
        raw_call(SYS_ppoll, 0);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static inline double median(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

// The mean of the middle half: as steady as the median, and finer than the clock's ticks.
static inline double middle_mean(double *values, size_t n)
{
    double sum = 0;
    size_t first = n / 4, last = n - n / 4;

    qsort(values, n, sizeof(*values), by_value);
    for (size_t i = first; i < last; i++)
        sum += values[i];
    return sum / (double)(last - first);
}

// `bytes` of private memory, every page of it stored to. No huge pages: they are another subject.
static inline unsigned char *resident(size_t bytes)
{
    unsigned char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    madvise(p, bytes, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < bytes; i += 4096)
        p[i] = (unsigned char)(i >> 12 | 1);
    return p;
}

static inline void wait_for(long n)
{
    while (n-- > 0)
        if (waitpid(-1, NULL, 0) < 0) {
            perror("waitpid");
            exit(2);
        }
}

#endif
