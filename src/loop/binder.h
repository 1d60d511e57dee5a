/*
 * binder: whether brood-bind.so can do its work in a program (take = bind).
 */
#ifndef BROOD_LOOP_BINDER_H
#define BROOD_LOOP_BINDER_H

struct err;
struct launch;
struct scratch;

/* The program of la, and that of its #! where it is a script, is loaded by a loader that preloads,
 * for a libc that is ours, and binds by it. 0, or -ENOEXEC, -EPERM and others with text. What a
 * program executes in its turn is not known. */
int binder_check(const struct launch *la, struct err *e);

#endif
