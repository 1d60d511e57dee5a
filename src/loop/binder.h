/*
 * binder: whether brood-bind.so can do its work in a program (take = bind).
 */
#ifndef BROOD_LOOP_BINDER_H
#define BROOD_LOOP_BINDER_H

struct err;
struct launch;
struct loop;

/* The program of la, and that of its #! where it is a script, is loaded by a loader that preloads,
 * for a libc that is ours, and binds by it. 0, or -ENOEXEC, -EPERM and others with text. What a
 * program executes in its turn is not known. */
int binder_check(const struct launch *la, struct err *e);

/* A worker of app that got its sockets from descriptor 3 on died before it was ready, and said so much:
 * where that is that its address is in use, it did not take them but bound for itself. Told once for
 * each launch. */
void binder_hint(struct loop *l, const char *app, const char *last_words);

#endif
