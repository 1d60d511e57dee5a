/*
 * page: what GET / says, as JSON for programs and as a page for people. Text only, no I/O.
 */
#ifndef BROOD_HELLO_PAGE_H
#define BROOD_HELLO_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Room that is enough for either form, whatever the names are. */
#define PAGE_MAX 8192

struct facts {
	const char *app; /* NULL without a master */
	const char *listener; /* its name, or NULL */
	int slot; /* -1 without a master */
	int generation; /* -1 without a master */
	pid_t pid;
	uint64_t uptime_ms;
	uint64_t requests;
	unsigned connections;
	bool draining;
};

/* Both return the number of bytes written to buf, without the terminator. */
size_t page_json(const struct facts *f, char buf[PAGE_MAX]);
size_t page_html(const struct facts *f, char buf[PAGE_MAX]);

#endif
