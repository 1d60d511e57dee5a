/*
 * libexec: see the header.
 */
#include "loop/libexec.h"

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
	return join(PKGLIBEXECDIR, strlen(PKGLIBEXECDIR), name, out);
}
