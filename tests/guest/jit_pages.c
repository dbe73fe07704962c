// A hot loop that calls into pages which nobody has executed before: an engine that looks ahead for
// the code of a page asks for the page before the program does, and nothing may be seen of that. The
// loop has 7 instructions, so that it is in each of its places when a time slice ends.
#include "check.h"

static void calls_into_new_pages(void)
{
#ifdef __riscv
    long count;
    __asm__ volatile("lla t0, first\n"
                     "li t1, 100\n"
                     "li t2, 4096\n"
                     "li %0, 0\n"
                     "1: jalr t0\n"
                     "addi %0, %0, 1\n"
                     "nop\n"
                     "addi t1, t1, -1\n"
                     "add t0, t0, t2\n"
                     "bnez t1, 1b\n"
                     "j 2f\n"
                     ".balign 4096\n"
                     "first:\n"
                     ".rept 100\n"
                     "ret\n"
                     ".balign 4096\n"
                     ".endr\n"
                     "2:\n"
                     : "=r"(count)
                     :
                     : "t0", "t1", "t2", "ra", "memory");
    CHECK_EQ(count, 100);
#endif
}

// The lowest bit of a target counts for nothing, and is never seen in pc.
static void calls_to_odd_addresses(void)
{
#ifdef __riscv
    long count;
    __asm__ volatile("lla t0, 3f\n"
                     "ori t0, t0, 1\n"
                     "li t1, 2000\n"
                     "li %0, 0\n"
                     "1: jalr t0\n"
                     "addi %0, %0, 1\n"
                     "nop\n"
                     "nop\n"
                     "addi t1, t1, -1\n"
                     "bnez t1, 1b\n"
                     "j 2f\n"
                     "3: ret\n"
                     "2:\n"
                     : "=r"(count)
                     :
                     : "t0", "t1", "ra", "memory");
    CHECK_EQ(count, 2000);
#endif
}

int main(int argc, char **argv)
{
    static const struct check_case cases[] = {CASE(calls_into_new_pages), CASE(calls_to_odd_addresses)};
    return check_main(argc, argv, cases, COUNT(cases));
}
