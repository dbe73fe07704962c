// Being called qemu-riscv64: its options and its variables, for scripts that know no other name.
#ifndef CMD_QEMU_H
#define CMD_QEMU_H

#include "options.h"

// Was the command started under that name, or qemu-riscv64-static?
bool qemu_is_name(const char *argv0);

// As options_parse, from where the environment has been read: takes the variables, then the options.
// *at moves to the program. EXIT_QEMU and a line on stderr for what is wrong with them.
int qemu_parse(struct command *c, char **argv, int *at);
void qemu_help(void);
int qemu_no_program(void); // EXIT_QEMU, after saying so

// qemu's status for a bad command line.
#define EXIT_QEMU 1

#endif
