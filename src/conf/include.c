/*
 * include: which files an include means. Must not read them; reader does.
 */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "conf/internal.h"

#define GLOB_CHARS "*?["

char *
path_beside(const char *file, const char *path)
{
	const char *slash = strrchr(file, '/');
	struct str s = {0};

	if (path[0] != '/' && slash)
		str_add_n(&s, file, (size_t)(slash - file) + 1);
	str_add(&s, path);
	if (str_failed(&s)) {
		str_free(&s);
		return NULL;
	}
	return s.data;
}

static int
by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A directory that is not there has no files; one that can't be read may hide some. */
static int
on_unreadable(const char *path, int error)
{
	(void)path;
	return error != ENOENT && error != ENOTDIR;
}

/* The including file's own directory may have a name with a star in it. */
static char *
pattern_beside(const char *file, const char *pattern)
{
	const char *slash = strrchr(file, '/');
	struct str s = {0};

	for (const char *c = file; pattern[0] != '/' && slash && c <= slash; c++) {
		if (strchr(GLOB_CHARS "]\\", *c))
			str_add_char(&s, '\\');
		str_add_char(&s, *c);
	}
	str_add(&s, pattern);
	if (str_failed(&s)) {
		str_free(&s);
		return NULL;
	}
	return s.data;
}

static void
include_pattern(struct load *l, const struct raw_entry *entry, const char *pattern)
{
	char *full = pattern_beside(entry->at.file->path, pattern);
	glob_t found = {0};
	int r;

	if (!full) {
		l->no_memory = true;
		return;
	}
	r = glob(full, GLOB_NOSORT, on_unreadable, &found);
	mem_free(full);
	if (r == GLOB_NOSPACE)
		l->no_memory = true;
	else if (r == GLOB_ABORTED)
		load_error(
		    l, &entry->value_at, "include = %s: the directory can't be read", entry->value);
	if (r == 0) {
		/* In the order of bytes whatever the locale: the order of apps is seen. */
		qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), by_bytes);
		for (size_t i = 0; i < found.gl_pathc && !l->no_memory; i++)
			(void)reader_load_file(l, found.gl_pathv[i], NULL, entry->at.file,
			    &entry->value_at); /* What is wrong is in the list. */
	}
	globfree(&found);
}

static void
include_one(struct load *l, const struct raw_entry *entry, const char *path)
{
	char *full = path_beside(entry->at.file->path, path);

	if (!full)
		l->no_memory = true;
	else
		(void)reader_load_file(l, full, NULL, entry->at.file, &entry->value_at);
	mem_free(full);
}

void
include_files(struct load *l, const struct raw_entry *entry)
{
	struct str path = {0};
	struct err e = {0};
	size_t at = 0;
	int r;

	if (entry->at.file->depth >= INCLUDE_DEPTH_MAX) {
		load_error(l, &entry->value_at, "include = %s: more than %d files deep",
		    entry->value, INCLUDE_DEPTH_MAX);
		return;
	}
	r = expand_variables(entry->value, l->src->environ, &path, &at, &e);
	if (r == -ENOMEM)
		l->no_memory = true;
	else if (r)
		load_error(l, &entry->value_at, "include = %s: %s", entry->value, e.text);
	else if (path.len == 0)
		load_error(
		    l, &entry->value_at, "include names no file; write include = conf.d/*.conf");
	else if (strpbrk(path.data, GLOB_CHARS))
		include_pattern(l, entry, path.data);
	else
		include_one(l, entry, path.data);
	str_free(&path);
}
