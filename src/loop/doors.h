/*
 * doors: where the master itself accepts (balance = dispatch). A door is one address of one app; it
 * is open, that is, watched, only while somebody would have what comes there. So an app whose workers
 * are all busy costs no wake-up, and its connections wait in the kernel, where nobody has to hold
 * them.
 */
#ifndef BROOD_LOOP_DOORS_H
#define BROOD_LOOP_DOORS_H

#include <stdbool.h>

struct loop;
struct listener;
struct doors;

struct doors_owner {
	/* Whether anybody would have a connection from there, and in which form. */
	bool (*is_wanted)(void *arg, const char *app, const struct listener *ls, bool *ret_nonblocking);
	/* Here is one; fd is the owner's now. */
	void (*came)(void *arg, const char *app, const struct listener *ls, int fd);
	/* A lack of something may be over: call doors_need() again for all. */
	void (*again)(void *arg);
	void *arg;
};

struct doors *doors_new(struct loop *l, const struct doors_owner *owner); /* NULL: no memory */
/* There is a door for ls from now on; by and by, where something is lacking. */
void doors_need(struct doors *d, const char *app, const struct listener *ls);
/* What is wanted, or not, has changed. */
void doors_settle(struct doors *d);
/* Takes what has piled up behind closed doors of the app, as long as it is wanted: that is worth a
 * look before a turn of the loop is spent on it. */
void doors_look(struct doors *d, const char *app);
/* Closes for ever those that is_named() does not name; their listeners may be gone. */
void doors_sort_out(
    struct doors *d, bool (*is_named)(const struct loop *l, const char *app, const struct listener *ls));
void doors_free(struct doors *d); /* by and by; NULL is fine */

#endif
