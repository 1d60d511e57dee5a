/*
 * order CASE: runs the case, ends with what brood_run() said. order --list: names them.
 */
#include "order.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

static const struct {
	const char *name;
	void (*fn)(struct brood_loop *loop);
} cases[] = {
#define ORDER_ROW(name) {#name, name},
    ORDER_CASES(ORDER_ROW)
#undef ORDER_ROW
};

#define N_CASES (sizeof cases / sizeof cases[0])

void
say(struct brood_loop *loop, void *text)
{
	(void)loop;
	sayf("%s", (const char *)text);
}

void
sayf(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vprintf(format, ap);
	va_end(ap);
	(void)putchar('\n');
	(void)fflush(stdout);
}

static double
clock_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

void
spin(unsigned ms)
{
	double end = clock_ms() + ms;

	while (clock_ms() < end)
		;
}

struct io {
	uv_fs_t request;
	struct brood_loop *loop;
	brood_fn *fn;
};

static void
on_stat(uv_fs_t *request)
{
	struct io *io = request->data;

	brood_enter(io->loop);
	io->fn(io->loop, NULL);
	brood_leave(io->loop);
	uv_fs_req_cleanup(request);
	free(io);
}

void
on_io(struct brood_loop *loop, brood_fn *fn)
{
	struct io *io = calloc(1, sizeof *io);

	if (io == NULL)
		abort();
	io->loop = loop;
	io->fn = fn;
	io->request.data = io;
	(void)uv_fs_stat(brood_uv(loop), &io->request, "/", on_stat);
}

static int
run(void (*fn)(struct brood_loop *loop))
{
	struct brood_loop *loop = brood_loop_new();
	int code;

	if (loop == NULL) {
		perror("brood_loop_new");
		return 71;
	}
	fn(loop);
	code = brood_run(loop);
	brood_loop_free(loop);
	return code;
}

int
main(int argc, char **argv)
{
	const char *name = argc == 2 ? argv[1] : "";

	for (size_t i = 0; i < N_CASES; i++) {
		if (strcmp(name, "--list") == 0)
			(void)puts(cases[i].name);
		else if (strcmp(name, cases[i].name) == 0)
			return run(cases[i].fn);
	}
	if (strcmp(name, "--list") == 0)
		return 0;
	(void)fprintf(stderr, "usage: order CASE | --list\n");
	return 64;
}
