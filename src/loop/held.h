/*
 * held: connections that the master has accepted and that nobody took: they wait here for somebody who
 * does, the oldest first.
 */
#ifndef BROOD_LOOP_HELD_H
#define BROOD_LOOP_HELD_H

#include <stdbool.h>

struct listener;
struct held; /* a list; NULL is an empty one */

/* What came for that app by that listener, which is compared only, and may be gone. fd is the list's
 * now; without memory even to remember it, it is closed. */
void held_add(struct held **list, const char *app, const struct listener *ls, int fd);
/* Those for which is_done() says true are closed and forgotten: whoever took one has a copy of fd. It
 * may add further ones, which are not asked about. */
void held_sift(struct held **list,
    bool (*is_done)(void *arg, const char *app, const struct listener *ls, int fd), void *arg);
void held_free(struct held **list);

#endif
