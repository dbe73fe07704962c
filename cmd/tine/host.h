// What the command does to its own process: signals, terminal, limits.
#ifndef CMD_HOST_H
#define CMD_HOST_H

#include <tine/tine.h>

// Remembers how the terminal is set, and puts it back at exit and when tine crashes.
void terminal_keep(void);

// The signals that are ignored now, bit n - 1 for signal n: to be asked before anything else here.
uint64_t signals_ignored(void);
// From now on signals that arrive here go to the machine's foreground process group, which may ignore
// them.
void signals_forward(struct tine_machine *machine);
// The program was stopped by a signal, so this process stops too, as its shell expects; the terminal
// gets its first settings back for as long. Returns when SIGCONT comes, which the program gets, or after
// so many seconds (0 = no limit).
void stop_with_program(struct tine_machine *machine, double seconds);
void signals_stop(void);
// Ends this process by the signal, without a core file; returns if that signal ends nobody.
void die_of_signal(int signal);

// A file of tine's own, whose descriptor the program cannot meet. -1 and errno.
int file_create(const char *path);

// The file DIRECTORY/NAME.code for reading and writing, made if need be, out of the program's way. -1 and
// errno; EPERM: others than its owner, who we are, may write it.
int file_keep(const char *directory, const char *name);

// As many open files as the host lets us have.
void limits_raise(void);

#endif
