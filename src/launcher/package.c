/*
 * package: see the header.
 */
#include "launcher/package.h"

#include <jansson.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "launcher/files.h"

#define PACKAGE_MAX (1U << 20)

bool
package_exists(const struct files *f, const char *directory)
{
	return files_has(f, directory, "package.json");
}

static json_t *
load(const struct files *f, const char *directory)
{
	char *path = files_join(directory, "/", "package.json");
	json_t *package = NULL;
	struct str text = {0};

	/* npm takes one that begins with a byte order mark. */
	if (path && f->read(f->arg, path, PACKAGE_MAX, &text) == 0 && !str_failed(&text))
		package = json_loads(
		    str_text(&text) + (strncmp(str_text(&text), "\xEF\xBB\xBF", 3) == 0 ? 3 : 0), 0,
		    NULL);
	str_free(&text);
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
package_script(const struct files *f, const char *directory, const char *name)
{
	json_t *package = load(f, directory);
	char *text = copy_text(json_object_get(json_object_get(package, "scripts"), name));

	json_decref(package);
	return text;
}

bool
package_has_script(const struct files *f, const char *directory, const char *name)
{
	char *text = package_script(f, directory, name);
	bool has = text;

	mem_free(text);
	return has;
}

char *
package_main(const struct files *f, const char *directory)
{
	json_t *package = load(f, directory);
	char *text = copy_text(json_object_get(package, "main"));

	json_decref(package);
	return text;
}

/* What the package `name` in modules, a directory node_modules, says of its command `name`. */
static char *
package_bin(const struct files *f, const char *modules, const char *name)
{
	char *directory = files_join(modules, "/", name);
	json_t *package = directory ? load(f, directory) : NULL;
	const json_t *bin = json_object_get(package, "bin");
	char *word = copy_text(json_is_object(bin) ? json_object_get(bin, name) : bin);
	char *path = word ? files_join(directory, "/", word) : NULL;
	char *real = path ? files_real(f, "", path) : NULL;

	json_decref(package);
	mem_free(directory);
	mem_free(word);
	mem_free(path);
	return real;
}

/* In one directory node_modules. */
static char *
find_in(const struct files *f, const char *modules, const char *name)
{
	char *path = files_join(modules, "/.bin/", name);
	enum file_kind kind = path ? files_kind(f, path, NULL) : FILE_NONE;

	if (kind == FILE_PLAIN || kind == FILE_NODE)
		return path;
	mem_free(path);
	return NULL;
}

static char *
command_in(const struct files *f, const char *modules, const char *name)
{
	char *link = files_join(modules, "/.bin/", name);
	char *path = link ? files_real(f, "", link) : NULL;

	mem_free(link);
	if (path && files_kind(f, path, NULL) != FILE_NODE) {
		mem_free(path);
		path = package_bin(f, modules, name);
	}
	return path;
}

/* The first that is in a node_modules of directory or of one above it. */
static char *
search(const struct files *f, const char *directory, const char *name,
    char *(*in)(const struct files *f, const char *modules, const char *name))
{
	char *here = strchr(name, '/') ? NULL : mem_strdup(directory);
	char *path = NULL;

	while (here && !path) {
		char *modules = files_join(here, "/", "node_modules"), *slash = strrchr(here, '/');

		path = modules ? in(f, modules, name) : NULL;
		mem_free(modules);
		if (!slash || here[0] == '\0')
			break;
		*slash = '\0';
	}
	mem_free(here);
	return path;
}

char *
package_find(const struct files *f, const char *directory, const char *name)
{
	return search(f, directory, name, find_in);
}

char *
package_command(const struct files *f, const char *directory, const char *name)
{
	return search(f, directory, name, command_in);
}
