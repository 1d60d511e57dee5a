/*
 * interrupt: Ctrl-C and TERM noted in a handler, handled where something waits. Without it a
 * follower would die in the middle of a line, and `brood start` would leave a half-started master.
 */
#ifndef BROOD_CLI_INTERRUPT_H
#define BROOD_CLI_INTERRUPT_H

#include <stdbool.h>

/* From now on INT, TERM and HUP are noted instead of ending us, and PIPE is ignored. */
void interrupt_init(void);
/* Gives the signals back their default: for a child, or when nothing waits any more. */
void interrupt_done(void);
/* How many came. */
int interrupt_pending(void);
/* The last one, 0 for none. */
int interrupt_signal(void);

#endif
