/*
 * fuzz_conf: any bytes as a configuration. What loads is printed and loads back to the same;
 * what does not load has something said about it, each on one line that moves no cursor.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/str.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *const environment[] = {"HOME=/home/x", "TWO=a b", "ODD=\xFF\n", NULL};

#define REQUIRE(what)                                                        \
	do {                                                                 \
		if (!(what)) {                                               \
			(void)fprintf(stderr, "does not hold: %s\n", #what); \
			abort();                                             \
		}                                                            \
	} while (0)

static int
load(const void *data, size_t size, struct conf **ret, struct conf_errors *errs)
{
	struct conf_source source = {.label = "fuzz", .environ = environment};
	int fd = memfd_create("conf", MFD_CLOEXEC), r;
	char path[32];

	REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	(void)snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	source.path = path;
	r = conf_load(&source, ret, errs);
	(void)close(fd);
	return r;
}

static void
check_errors(const struct conf_errors *errs)
{
	REQUIRE(errs->len > 0 && errs->len <= 100);
	for (size_t i = 0; i < errs->len; i++) {
		const char *text = errs->text[i];
		size_t n;

		for (size_t k = 0; text[k] != '\0'; k += n) {
			n = utf8_sequence(text + k, strlen(text + k));
			REQUIRE(n > 0 && ((unsigned char)text[k] >= 0x20 || text[k] == '\t'));
		}
	}
}

static void
check_app(const struct conf_app *app)
{
	REQUIRE(app->argv && app->argv[0] && app->argv[0][0] != '\0');
	REQUIRE(app->max_surge + app->max_unavailable > 0);
	REQUIRE(app->listen_len <= CONF_LISTENERS_MAX);
	REQUIRE(conf_app_workers(app, 4) <= CONF_WORKERS_MAX);
	for (size_t i = 0; i < app->listen_len; i++)
		REQUIRE(app->listen[i].key && app->listen[i].name);
}

static void
check_prints_back(const struct conf *conf, bool all)
{
	struct conf_errors errs = {0};
	struct str text = {0}, diff = {0}, again_text = {0};
	struct conf *again = NULL;

	conf_print(conf, all, true, &text);
	/* What fits into the limits of a file may be longer once it is quoted. */
	if (load(text.data, text.len, &again, &errs)) {
		REQUIRE(text.len > 16 * 1024);
	} else {
		REQUIRE(again->apps_len == conf->apps_len);
		for (size_t i = 0; i < conf->apps_len; i++)
			REQUIRE(conf_app_diff(conf->apps[i], again->apps[i], &diff) == 0);
		conf_print(again, all, true, &again_text);
		REQUIRE(strcmp(text.data, again_text.data) == 0);
	}
	conf_unref(again);
	conf_errors_free(&errs);
	str_free(&text);
	str_free(&diff);
	str_free(&again_text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors errs = {0};
	struct conf *conf = NULL;
	int r = load(data, size, &conf, &errs);

	if (r) {
		REQUIRE(conf == NULL);
		check_errors(&errs);
	} else {
		REQUIRE(errs.len == 0 && conf->apps_len > 0);
		for (size_t i = 0; i < conf->apps_len; i++)
			check_app(conf->apps[i]);
		check_prints_back(conf, false);
		check_prints_back(conf, true);
	}
	conf_unref(conf);
	conf_errors_free(&errs);
	return 0;
}
