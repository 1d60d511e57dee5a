/*
 * fuzz_import: any bytes as the file of another supervisor; the first one says of which (j: a
 * literal for PM2, p: a Procfile, else supervisord). What is taken for one becomes a file that the
 * master loads, and each note says what to do; what is refused is so in one line.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/str.h"
#include "import/import.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *const environment[] = {"HOME=/home/x", "PATH=/bin", "TWO=a b", "A=$$%%", NULL};

#define REQUIRE(what)                                                        \
	do {                                                                 \
		if (!(what)) {                                               \
			(void)fprintf(stderr, "does not hold: %s\n", #what); \
			abort();                                             \
		}                                                            \
	} while (0)

static int
on_read(void *arg, const char *path, struct str *ret)
{
	(void)arg;
	if (strcmp(path, "/d/package.json") != 0)
		return -ENOENT;
	str_add(ret,
	    "{\"main\":\"m\\u0001.js\",\"scripts\":{\"start\":\"A=1 node x\",\"loop\":\"npm run "
	    "loop\","
	    "\"a\":\"b|c\",\"prestart\":\"x\",\"w\":\"cross-env B=2 nodemon --exec tsx y.ts\","
	    "\"c\":\"node \\u0002X\\u0003\",\"p\":\"pm2-runtime start npm -- run w\"}}");
	return 0;
}

static enum path_kind
on_kind(void *arg, const char *path)
{
	(void)arg;
	return (enum path_kind)(strlen(path) % 5); /* PATH_NONE to PATH_DIRECTORY */
}

static const char *
on_variable(void *arg, const char *name)
{
	size_t len = strlen(name);

	(void)arg;
	for (char *const *e = environment; *e; e++)
		if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
			return *e + len + 1;
	return NULL;
}

static const struct world world = {
    .read = on_read, .kind = on_kind, .variable = on_variable, .host = "h"};

static void
check_loads(const struct str *text)
{
	struct conf_source source = {.label = "fuzz", .environ = environment};
	int fd = memfd_create("conf", MFD_CLOEXEC), r;
	struct conf_errors errs = {0};
	struct conf *c = NULL;
	char path[32];

	REQUIRE(fd >= 0 && write(fd, text->data, text->len) == (ssize_t)text->len);
	(void)snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	source.path = path;
	r = conf_load(&source, &c, &errs);
	(void)close(fd);
	if (r != 0)
		(void)fprintf(stderr, "%s\n%s\n", errs.len ? errs.text[0] : "?", text->data);
	REQUIRE(r == 0 && c->apps_len > 0);
	for (size_t i = 0; i < c->apps_len; i++)
		REQUIRE(c->apps[i]->argv && c->apps[i]->argv[0]);
	conf_errors_free(&errs);
	conf_unref(c);
}

static void
check_draft(const struct draft *d)
{
	struct str text = {0};
	int r = draft_render(d, &text);

	REQUIRE(r == 0 || r == -E2BIG);
	if (r == 0)
		check_loads(&text);
	str_free(&text);
	for (size_t i = 0; i < d->notes_len; i++)
		REQUIRE(d->notes[i].file && *d->notes[i].text && d->notes[i].remedy &&
		        *d->notes[i].remedy);
}

static int
translate(struct import *im, char format, const char *text, size_t len, struct err *e)
{
	json_t *root = NULL;
	int r;

	if (format == 'p')
		return import_procfile(im, text, len, e);
	if (format != 'j')
		return import_supervisord(im, text, len, e);
	r = import_literal("f", text, len, &root, e);
	if (r == 0)
		r = import_pm2(im, root, e);
	json_decref(root);
	return r;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct import im = {.world = &world, .directory = "/d", .environment = "q"};
	struct err e = {0};
	char *text;
	int r;

	if (size == 0)
		return 0;
	/* Files are read into strings with an end. */
	text = malloc(size);
	REQUIRE(text);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	draft_init(&im.draft, "fuzz", "f");
	r = translate(&im, (char)data[0], text, size - 1, &e);
	REQUIRE(r == 0 || r == -EINVAL);
	REQUIRE(r == 0 || *e.text);
	if (r == 0)
		check_draft(&im.draft);
	draft_done(&im.draft);
	free(text);
	return 0;
}
