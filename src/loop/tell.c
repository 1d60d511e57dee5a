/*
 * tell: see the header. Names of events are stable and documented in broodd(8); texts are for
 * people.
 */
#include "loop/tell.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "loop/control.h"
#include "loop/loop.h"
#include "loop/starter.h"

static const char level_letters[LOG_LEVEL_MAX] = {
    [LOG_LEVEL_ERROR] = 'e',
    [LOG_LEVEL_WARN] = 'w',
    [LOG_LEVEL_INFO] = 'i',
    [LOG_LEVEL_DEBUG] = 'i',
};

/* Transitions that are worth a record; the others are seen at log_level = debug. */
static const char *const worker_events[WORKER_STATE_MAX] = {
    [WORKER_STARTING] = "worker_starting",
    [WORKER_PARKED] = "worker_parked",
    [WORKER_READY] = "worker_ready",
    [WORKER_DRAINING] = "worker_draining",
    [WORKER_STOPPING] = "worker_stopping",
};

static void
record(struct loop *l, enum log_level level, const char *event, const struct log_who *who,
    const char *text)
{
	struct journal_event e = {
	    .wall_ms = clock_wall_ms(),
	    .level = level_letters[level],
	    .slot = who ? who->slot : -1,
	    .pid = who ? who->pid : 0,
	    .generation = who ? who->generation : 0,
	    .text = text,
	};

	snprintf(e.event, sizeof(e.event), "%s", event);
	if (who && who->app)
		snprintf(e.app, sizeof(e.app), "%s", who->app);
	journal_add_event(l->journal, &e);
	starter_on_event(l, &e);
	if (l->control)
		control_on_event(l, &e);
}

void
tell(struct loop *l, enum log_level level, const char *event, const struct log_who *who,
    const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_write(level, event, who, "%s", text);
	if (level != LOG_LEVEL_DEBUG)
		record(l, level, event, who, text);
}

static struct log_who
who_of(const struct action *a)
{
	return (struct log_who){
	    .app = a->app[0] ? a->app : NULL,
	    .slot = a->slot,
	    .pid = a->pid,
	    .generation = a->generation,
	};
}

void
tell_transition(struct loop *l, const struct action *a)
{
	struct log_who who = who_of(a);
	const char *event, *from, *to;
	enum log_level level = LOG_LEVEL_INFO;

	/* What a slot comes to is said by notes (restart_delayed, slot_failed) with the reason. */
	if (a->transition.of_worker) {
		event = worker_events[a->transition.to];
		/* As what it comes to by stalling: NOTE_STALLED, NOTE_RECOVERED. */
		if (a->transition.from == WORKER_STALLED && a->transition.to == WORKER_READY)
			event = NULL;
		/* NOTE_SPARE_SERVES. */
		if (a->transition.from == WORKER_PARKED && a->transition.to == WORKER_STARTING)
			event = NULL;
		from = worker_state_to_string(a->transition.from);
		to = worker_state_to_string(a->transition.to);
	} else {
		event = NULL;
		from = slot_state_to_string(a->transition.from);
		to = slot_state_to_string(a->transition.to);
	}
	if (!event) {
		event = a->transition.of_worker ? "worker_state" : "slot_state";
		level = LOG_LEVEL_DEBUG;
	}
	if (level == LOG_LEVEL_DEBUG)
		tell(l, level, event, &who, "%s -> %s (%s)", from, to, a->text);
	else if (a->transition.to == WORKER_READY)
		tell(l, level, event, &who, "%s", a->text); /* says "ready" by itself */
	else
		tell(l, level, event, &who, "%s%s%s", to, a->text[0] ? ": " : "", a->text);
}

void
tell_note(struct loop *l, const struct action *a)
{
	struct log_who who = who_of(a);

	if (a->note.kind == NOTE_SHUTDOWN) {
		tell(l, LOG_LEVEL_INFO, note_kind_to_string(a->note.kind), NULL, "stopping: %s",
		    a->text);
		return;
	}
	tell(l, a->note.bad ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, note_kind_to_string(a->note.kind),
	    &who, "%s", a->text);
}

void
tell_obituary(struct loop *l, struct obituary *o)
{
	struct log_who who = {
	    .app = o->app,
	    .slot = (int)o->slot,
	    .pid = o->pid,
	    .generation = o->generation,
	};
	/* What the text has not said already. */
	bool with_cause = o->expected || o->cause == CAUSE_OPERATOR;
	char text[ACTION_TEXT_MAX], age[32];

	/* The core's words if it has any: they tell more of an exec that failed. */
	if (o->reason[0])
		snprintf(text, sizeof(text), "%s", o->reason);
	else
		obituary_cause_text(o, text, sizeof(text));
	units_format_age_ms(o->uptime_us / 1000, age, sizeof(age));
	tell(l, o->expected ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "worker_exit", &who,
	    "%s (after %s%s%s%s)", text, age, o->was_ready ? "" : ", never ready",
	    with_cause ? ", " : "", with_cause ? cause_to_string(o->cause) : "");
	journal_add_obituary(l->journal, o);
}
