/*
 * nodepkg: see the header.
 */
#include "loop/nodepkg.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "sys/script.h"

#define PACKAGE_MAX (1U << 20)

/* The first max bytes of a regular file, or all of it if it is no longer than that. Opening must not
 * wait, as for a FIFO. */
static char *
read_file(const char *path, size_t max, bool whole)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;
	struct stat st;
	size_t len = 0, room = 0;
	ssize_t n = 1;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (!whole || st.st_size <= (off_t)max)) {
		room = st.st_size < (off_t)max ? (size_t)st.st_size : max;
		text = mem_alloc(room + 1);
	}
	while (text && n > 0 && len < room) {
		n = read(fd, text + len, room - len);
		len += n > 0 ? (size_t)n : 0;
	}
	fd_close(&fd);
	if (text)
		text[len] = '\0';
	return text;
}

static char *
join(const char *directory, const char *separator, const char *name)
{
	struct str path = {0};

	str_addf(&path, "%s%s%s", directory, separator, name);
	if (str_failed(&path))
		str_free(&path);
	return path.data;
}

bool
node_has_file(const char *directory, const char *name)
{
	char *path = join(directory, "/", name);
	struct stat st;
	bool has = path && stat(path, &st) == 0 && S_ISREG(st.st_mode);

	mem_free(path);
	return has;
}

bool
node_package_exists(const char *directory)
{
	return node_has_file(directory, "package.json");
}

static json_t *
load_package(const char *directory)
{
	char *path = join(directory, "/", "package.json");
	char *text = path ? read_file(path, PACKAGE_MAX, true) : NULL;
	json_t *package = NULL;

	/* npm takes one that begins with a byte order mark. */
	if (text)
		package =
		    json_loads(strncmp(text, "\xEF\xBB\xBF", 3) == 0 ? text + 3 : text, 0, NULL);
	mem_free(text);
	mem_free(path);
	return package;
}

static char *
copy_text(const json_t *value)
{
	const char *text = json_string_value(value);

	return text ? mem_strdup(text) : NULL;
}

char *
node_package_script(const char *directory, const char *name)
{
	json_t *package = load_package(directory);
	char *text = copy_text(json_object_get(json_object_get(package, "scripts"), name));

	json_decref(package);
	return text;
}

bool
node_package_has_script(const char *directory, const char *name)
{
	char *text = node_package_script(directory, name);
	bool has = text;

	mem_free(text);
	return has;
}

char *
node_package_main(const char *directory)
{
	json_t *package = load_package(directory);
	char *text = copy_text(json_object_get(package, "main"));

	json_decref(package);
	return text;
}

/* What the package `name` in modules, a directory node_modules, says of its command `name`. */
static char *
package_bin(const char *modules, const char *name)
{
	char *directory = join(modules, "/", name);
	json_t *package = directory ? load_package(directory) : NULL;
	const json_t *bin = json_object_get(package, "bin");
	char *word = copy_text(json_is_object(bin) ? json_object_get(bin, name) : bin);
	char *path = word ? join(directory, "/", word) : NULL;

	json_decref(package);
	mem_free(directory);
	mem_free(word);
	return path;
}

static char *
real_path(char *path)
{
	char *real = path ? realpath(path, NULL) : NULL;
	char *copy = real ? mem_strdup(real) : NULL;

	free(real);
	mem_free(path);
	return copy;
}

/* In one directory node_modules. */
static char *
command_in(const char *modules, const char *name)
{
	char *path = real_path(join(modules, "/.bin/", name));

	if (path && !node_runs(path, NULL)) {
		mem_free(path);
		path = real_path(package_bin(modules, name));
	}
	return path;
}

char *
node_package_command(const char *directory, const char *name)
{
	char *here = strchr(name, '/') ? NULL : mem_strdup(directory);
	char *path = NULL;

	while (here && !path) {
		char *modules = join(here, "/", "node_modules"), *slash = strrchr(here, '/');

		path = modules ? command_in(modules, name) : NULL;
		mem_free(modules);
		if (!slash || here[0] == '\0')
			break;
		*slash = '\0';
	}
	mem_free(here);
	return path;
}

bool
node_runs(const char *path, struct str *options)
{
	struct script script;
	bool runs = script_read(path, &script) == 1 && script_is_node(script.interpreter);

	if (runs && options)
		str_add(options, script.options);
	return runs;
}
