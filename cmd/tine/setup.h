// What helps to set tine up, and runs nothing: the line for binfmt_misc, completion for shells.
#ifndef CMD_SETUP_H
#define CMD_SETUP_H

// Shows on stdout the line that makes the host's kernel run riscv64 programs by this command, and on
// stderr what to do with it. The exit status.
int binfmt_show(void);

// Shows a completion script for the shell that argv[0] names. The exit status.
int completion_show(char **argv);

#endif
