/*
 * files: where it is read what a launcher starts. The master reads the file system; who translates
 * the files of others asks the world that it was given.
 */
#ifndef BROOD_LAUNCHER_FILES_H
#define BROOD_LAUNCHER_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct str;

enum file_kind {
	FILE_NONE,
	FILE_PLAIN,
	FILE_NODE, /* a script whose #! line runs it with Node, directly or by env */
	FILE_OTHER, /* a directory, a device */
};

struct files {
	void *arg;
	/* Appends the whole of a regular file of at most max bytes. 0 or a negative errno; does not
	 * wait. */
	int (*read)(void *arg, const char *path, size_t max, struct str *ret);
	/* Links are followed. Of FILE_NODE the options in the #! line are appended to *options, with
	 * blanks between; NULL: they are not wanted. */
	enum file_kind (*kind)(void *arg, const char *path, struct str *options);
	/* Where links lead (mem_free()). NULL: there is nothing, or no memory. */
	char *(*real)(void *arg, const char *path);
};

enum file_kind files_kind(const struct files *f, const char *path, struct str *options);
/* Of path, which is seen from directory unless it begins with a slash. */
char *files_real(const struct files *f, const char *directory, const char *path);
/* Whether directory/name is a regular file. */
bool files_has(const struct files *f, const char *directory, const char *name);
/* directory, separator and name (mem_free()). NULL without memory. */
char *files_join(const char *directory, const char *separator, const char *name);

#endif
