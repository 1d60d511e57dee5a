/*
 * generation: program, configuration and limits that workers share, by count of who uses them. It
 * never looks into the launch cookie; with the last reference the cookie goes back to the loop.
 */
#include "base/mem.h"
#include "core/internal.h"

struct generation *
generation_new(const struct core_target *t, unsigned number)
{
	struct generation *g = mem_calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->number = number;
	g->conf = t->conf;
	g->launch = t->launch;
	g->workers = t->workers;
	g->steered = t->steered;
	g->node = t->node;
	g->refs = 1;
	return g;
}

struct generation *
generation_ref(struct generation *g)
{
	g->refs++;
	return g;
}

void
generation_unref(struct core *c, struct generation *g)
{
	if (!g || --g->refs > 0)
		return;
	if (g->launch && c->out)
		action_push(c, ACTION_FORGET)->launch = g->launch;
	mem_free(g);
}

void
generation_assign(struct core *c, struct generation **at, struct generation *g)
{
	struct generation *old = *at;

	*at = g ? generation_ref(g) : NULL;
	generation_unref(c, old);
}
