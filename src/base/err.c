/*
 * err: the text of an error while it travels up. Must not log and must not allocate, since it
 * is used where memory has just run out.
 */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
err_clear(struct err *e)
{
	if (e)
		e->text[0] = '\0';
}

int
err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	if (!e)
		return code;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap); /* A cut text is still a text. */
	va_end(ap);
	return code;
}

int
err_wrap(struct err *e, int code, const char *fmt, ...)
{
	char before[sizeof(e->text)];
	va_list ap;
	size_t room, len;

	if (!e)
		return code;
	memcpy(before, e->text, sizeof(before));
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	len = strlen(e->text);
	room = sizeof(e->text) - len;
	if (before[0] != '\0')
		(void)snprintf(e->text + len, room, ": %s", before);
	return code;
}
