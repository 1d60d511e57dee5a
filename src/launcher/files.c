/*
 * files: see the header.
 */
#include "launcher/files.h"

#include "base/mem.h"
#include "base/str.h"

char *
files_join(const char *directory, const char *separator, const char *name)
{
	struct str path = {0};

	str_addf(&path, "%s%s%s", directory, separator, name);
	if (str_failed(&path))
		str_free(&path);
	return path.data;
}

enum file_kind
files_kind(const struct files *f, const char *path, struct str *options)
{
	return f->kind(f->arg, path, options);
}

char *
files_real(const struct files *f, const char *directory, const char *path)
{
	bool whole = path[0] == '/';
	char *full = files_join(whole ? "" : directory, whole ? "" : "/", path);
	char *real = full ? f->real(f->arg, full) : NULL;

	mem_free(full);
	return real;
}

bool
files_has(const struct files *f, const char *directory, const char *name)
{
	char *path = files_join(directory, "/", name);
	enum file_kind kind = path ? files_kind(f, path, NULL) : FILE_NONE;

	mem_free(path);
	return kind == FILE_PLAIN || kind == FILE_NODE;
}
