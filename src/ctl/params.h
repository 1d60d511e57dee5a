/*
 * params: the parameters of a request, checked one by one. For src/ctl/command.c.
 *
 * Each call_take_*() reads one parameter; false means that the request was refused, with words
 * that name the parameter and what there is instead, and that the plan holds the refusal.
 */
#ifndef BROOD_CTL_PARAMS_H
#define BROOD_CTL_PARAMS_H

#include <jansson.h>
#include <stdbool.h>

#include "ctl/command.h"

#define SHOWN_MAX 64 /* of a foreign word in a message */

struct app;

/* What a planning function works on. */
struct call {
	const struct ctl_context *ctx;
	enum ctl_role role;
	const json_t *params; /* an object, or NULL */
	struct ctl_plan *plan;
	const struct app *app; /* after take_app() */
};

/* Makes the plan a refusal; the message is cut between characters. Always false, so that
 * "return call_refuse(...)" reads well. */
bool call_refuse(struct call *call, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A word that a client chose, fit to be shown in a message. */
const char *call_shown(const char *word, char buf[SHOWN_MAX + 4]);
/* A parameter, or NULL when it is left out or null. */
const json_t *call_param(const struct call *call, const char *name);

bool call_take_bool(struct call *call, const char *name, bool standard, bool *ret);
bool call_take_lines(struct call *call);
/* Without it, and not required: plan->app stays empty, call->app NULL. */
bool call_take_app(struct call *call, bool required);
/* An app that can be told something: not one that leaves with its configuration. */
bool call_take_living_app(struct call *call, bool required);
/* The slot of call->app; plan->slot stays -1 when it is left out. */
bool call_take_slot(struct call *call, bool required);
/* standard NULL: required. */
bool call_take_signal(struct call *call, const char *standard, int *ret);
/* "4", "+1", "-2" or 4 of an app that wants `present`. */
bool call_take_workers(struct call *call, unsigned present, unsigned *ret);
/* A path as it stands in a request line; standard (may be NULL: "/") when it is left out. The
 * plan points into the request, or to standard. */
bool call_take_path(struct call *call, const char *standard);
/* Milliseconds, 1 to an hour. */
bool call_take_timeout(struct call *call, uint64_t standard_ms);

#endif
