// tine compare: one program, made to fork and vfork in every way there is.
#ifndef CMD_COMPARE_H
#define CMD_COMPARE_H

#include "options.h"

// Runs the program once in each way and prints one table on stdout (--json: one object). Exit status 0
// when the program ran, whatever it answered.
int compare(struct command *c);

// main.c's: a machine with the program started in it. 0, or the exit status after words on stderr;
// *machine is to be freed in any case.
int program_start(struct tine_machine **machine, const struct command *c);

#endif
