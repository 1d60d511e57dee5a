/*
 * held: see the header.
 */
#include "loop/held.h"

#include <stdio.h>
#include <utlist.h>

#include "base/fd.h"
#include "base/mem.h"

struct held {
	char app[49];
	const struct listener *listener;
	int fd;
	struct held *next;
};

void
held_add(struct held **list, const char *app, const struct listener *ls, int fd)
{
	struct held *h = mem_calloc(1, sizeof(*h));

	if (!h) {
		fd_close(&fd);
		return;
	}
	(void)snprintf(h->app, sizeof(h->app), "%s", app);
	h->listener = ls;
	h->fd = fd;
	LL_APPEND(*list, h);
}

static void
drop(struct held **list, struct held *h)
{
	LL_DELETE(*list, h);
	fd_close(&h->fd);
	mem_free(h);
}

void
held_sift(struct held **list,
    bool (*is_done)(void *arg, const char *app, const struct listener *ls, int fd), void *arg)
{
	struct held *h, *next;

	LL_FOREACH_SAFE (*list, h, next)
		if (is_done(arg, h->app, h->listener, h->fd))
			drop(list, h);
}

void
held_free(struct held **list)
{
	while (*list)
		drop(list, *list);
}
