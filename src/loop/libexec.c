/*
 * libexec: see the header.
 */
#include "loop/libexec.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

static const char *
join(const char *directory, size_t len, const char *name, struct str *out)
{
	str_reset(out);
	str_add_n(out, directory, len);
	str_add_char(out, '/');
	str_add(out, name);
	return str_text(out);
}

/* Of a tree that is not installed: beside the master's own program, and where libtool puts modules. */
static bool
find_beside(const char *name, struct str *out)
{
	static const char *const beside[] = {"", "/.libs", "/src/bind/.libs"};
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct str directory = {0};
	bool found = false;

	for (; n > 0 && self[n - 1] != '/'; n--)
		;
	for (size_t i = 0; n > 1 && !found && i < sizeof(beside) / sizeof(*beside); i++) {
		str_reset(&directory);
		str_add_n(&directory, self, (size_t)n - 1);
		str_add(&directory, beside[i]);
		found = !str_failed(&directory) &&
		        access(join(directory.data, directory.len, name, out), R_OK) == 0;
	}
	str_free(&directory);
	return found;
}

const char *
launch_libexec(const char *name, struct str *out)
{
	const char *list = secure_getenv("BROOD_LIBEXEC_DIR");

	while (list && *list != '\0') {
		size_t len = strcspn(list, ":");

		/* What is not absolute would depend on a directory that workers change. */
		if (list[0] == '/' && access(join(list, len, name, out), R_OK) == 0)
			return str_text(out);
		list += len + (list[len] == ':');
	}
	if (find_beside(name, out))
		return str_text(out);
	return join(PKGLIBEXECDIR, strlen(PKGLIBEXECDIR), name, out);
}
