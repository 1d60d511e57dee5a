/*
 * page: see page.h. Names come from a configuration file and are escaped all the same.
 */
#include "hello/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_ESCAPED 512

/* Replaces what would end a string or start markup; cuts what does not fit. The two languages
 * need different words for it, hence the table. */
static const char *
escape(const char *s, bool html, char buf[NAME_MAX_ESCAPED])
{
	size_t n = 0;

	for (; *s != '\0' && n + 8 < NAME_MAX_ESCAPED; s++) {
		unsigned char c = (unsigned char)*s;
		bool risky = c < 0x20 || c == 0x7f || strchr("\"\\<>&'", c) != NULL;

		if (!risky)
			buf[n++] = *s;
		else
			n += (size_t)sprintf(buf + n, html ? "&#%u;" : "\\u%04x", c);
	}
	buf[n] = '\0';
	return buf;
}

static const char *
number_or(int value, const char *missing, char buf[16])
{
	if (value < 0)
		return missing;
	snprintf(buf, 16, "%d", value);
	return buf;
}

/* The answer that is measured: put together by hand, as printf() took half of its time. */
static char *
put(char *p, const char *text)
{
	size_t len = strlen(text);

	memcpy(p, text, len);
	return p + len;
}

static char *
put_number(char *p, uint64_t value)
{
	char digits[20];
	size_t n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

static char *
put_number_or_null(char *p, int value)
{
	return value < 0 ? put(p, "null") : put_number(p, (uint64_t)value);
}

static char *
put_name_or_null(char *p, const char *name)
{
	char buf[NAME_MAX_ESCAPED];

	if (name == NULL)
		return put(p, "null");
	p = put(p, "\"");
	p = put(p, escape(name, false, buf));
	return put(p, "\"");
}

size_t
page_json(const struct facts *f, char buf[PAGE_MAX])
{
	char *p = put(buf, "{\"app\":");

	p = put_name_or_null(p, f->app);
	p = put(p, ",\"slot\":");
	p = put_number_or_null(p, f->slot);
	p = put(p, ",\"generation\":");
	p = put_number_or_null(p, f->generation);
	p = put(p, ",\"pid\":");
	p = put_number(p, (uint64_t)f->pid);
	p = put(p, ",\"listener\":");
	p = put_name_or_null(p, f->listener);
	p = put(p, ",\"uptime_ms\":");
	p = put_number(p, f->uptime_ms);
	p = put(p, ",\"requests\":");
	p = put_number(p, f->requests);
	p = put(p, ",\"connections\":");
	p = put_number(p, f->connections);
	p = put(p, f->draining ? ",\"state\":\"draining\"}\n" : ",\"state\":\"serving\"}\n");
	*p = '\0';
	return (size_t)(p - buf);
}

static const char page_head[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<link rel=\"icon\" href=\"data:,\">\n<title>brood-hello</title>\n<style>\n"
    ":root{color-scheme:light dark}\n"
    "body{font:16px/1.55 system-ui,sans-serif;max-width:38rem;margin:10vh auto;padding:0 1.2rem}\n"
    "h1{font-size:1.5rem;font-weight:600;margin:0 0 .2rem}\n"
    "p{margin:.3rem 0 1.4rem;opacity:.75}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1.4rem;margin:0 0 1.6rem}\n"
    "dt{opacity:.6}dd{margin:0;font-variant-numeric:tabular-nums}\n"
    "pre{padding:.9rem 1.1rem;border-radius:.5rem;background:#8881;overflow-x:auto;"
    "font:14px/1.6 ui-monospace,monospace}\n"
    "</style></head><body>\n";

static const char page_tail[] =
    "<p>Load the page again: another worker may answer. Meanwhile, in a terminal:</p>\n"
    "<pre>brood status          who runs, and how long\n"
    "brood reload          replace every worker, lose no request\n"
    "brood kill %s.%s  see it come back\n"
    "brood logs -f         what they say</pre>\n"
    "<p>Also here: /io?ms=100, /cpu?ms=100, /cpu-offload?ms=100, /crash, /healthz; this "
    "page as JSON with Accept: application/json.</p>\n</body></html>\n";

/* "3 h 12 min", as a person would say it. */
static void
format_uptime(uint64_t ms, char buf[48])
{
	uint64_t s = ms / 1000;

	if (s < 60)
		snprintf(buf, 48, "%" PRIu64 ".%" PRIu64 " s", s, ms % 1000 / 100);
	else if (s < 3600)
		snprintf(buf, 48, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, 48, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s % 3600 / 60);
	else
		snprintf(buf, 48, "%" PRIu64 " d %" PRIu64 " h", s / 86400, s % 86400 / 3600);
}

size_t
page_html(const struct facts *f, char buf[PAGE_MAX])
{
	char name[NAME_MAX_ESCAPED], slot[16], generation[16], uptime[48];
	const char *app = f->app != NULL ? escape(f->app, true, name) : "brood-hello";
	int n;

	format_uptime(f->uptime_ms, uptime);
	n = snprintf(buf, PAGE_MAX,
	    "%s<h1>%s.%s says hello</h1>\n<p>%s</p>\n<dl>\n"
	    "<dt>app</dt><dd>%s</dd>\n<dt>slot</dt><dd>%s</dd>\n<dt>generation</dt><dd>%s</dd>\n"
	    "<dt>pid</dt><dd>%d</dd>\n<dt>up for</dt><dd>%s</dd>\n"
	    "<dt>requests</dt><dd>%" PRIu64 "</dd>\n<dt>connections</dt><dd>%u</dd>\n</dl>\n",
	    page_head, app, number_or(f->slot, "0", slot),
	    f->slot < 0 ? "This worker runs alone, without a master."
	                : "One of a cluster of workers behind this address.",
	    app, number_or(f->slot, "none", slot), number_or(f->generation, "none", generation),
	    (int)f->pid, uptime, f->requests, f->connections);
	n += snprintf(buf + n, PAGE_MAX - (size_t)n, page_tail, app, number_or(f->slot, "0", slot));
	return (size_t)n;
}
