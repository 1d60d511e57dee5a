/*
 * tell: what a program says to the master or, by it, to the other workers. What the master would
 * take for a fault is refused here: it would close the channel and replace the worker.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/frame.h"
#include "worker/control.h"
#include "worker/notify.h"
#include "worker/worker.h"

#define TO_MAX     63
#define STATUS_MAX 1024 /* the master shows less */

/* frame is stolen; NULL: it could not be made, what it should say was no text or memory is out. */
static int
say(struct brood_worker *w, json_t *frame)
{
	char *text = frame != NULL ? json_dumps(frame, JSON_COMPACT) : NULL;
	size_t len = text != NULL ? strlen(text) : 0;
	int r;

	json_decref(frame);
	if (text == NULL)
		return -EINVAL;
	if (frame_json_depth(text, len, CONTROL_DEPTH_MAX) > CONTROL_DEPTH_MAX) {
		r = -EINVAL;
	} else {
		text[len] = '\n';
		r = channel_say(&w->channel, text, len + 1, false);
	}
	free(text); /* jansson's */
	return r;
}

int
brood_worker_send(struct brood_worker *w, const char *to, const char *json)
{
	size_t len = strlen(to);
	json_t *data;

	if (!w->channel.is_open)
		return -ENOTCONN;
	if (len == 0 || len > TO_MAX)
		return -EINVAL;
	data = json_loads(json, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	if (data == NULL)
		return -EINVAL;
	return say(w, json_pack("{s:s, s:s, s:o}", "brood", "send", "to", to, "data", data));
}

/* Not through the middle of a character. */
static size_t
shown_len(const char *text)
{
	size_t len = strnlen(text, STATUS_MAX);

	while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len;
}

static int
notify_status(const char *text)
{
	char line[STATUS_MAX + 16];
	size_t len = shown_len(text), line_len = strcspn(text, "\n");

	/* One line: what follows would be something else that we say. */
	(void)snprintf(
	    line, sizeof line, "STATUS=%.*s", (int)(line_len < len ? line_len : len), text);
	return notify_say(line);
}

int
brood_worker_status(struct brood_worker *w, const char *text)
{
	size_t len = shown_len(text);

	if (!w->channel.is_open)
		return notify_status(text);
	return say(w, json_pack("{s:s, s:s%}", "brood", "status", "text", text, len));
}

void
brood_worker_replace(struct brood_worker *w, const char *reason)
{
	size_t len = reason != NULL ? shown_len(reason) : 0;

	(void)say(w, json_pack("{s:s, s:s%}", "brood", "replace", "reason",
	                 reason != NULL ? reason : "", len));
}
