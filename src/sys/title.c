/*
 * title: the two functions of proc.h that write over argv. The kernel shows what lies between the
 * first argument and the end of the environment, so both are copied away first; the short name
 * (comm) stays the program's.
 */
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "sys/proc.h"

extern char **environ;

static char *title_area;
static size_t title_size;

/* Copies of strings[0..n) in a new terminated array, or NULL with nothing kept. */
static char **
copy_strings(char *const *strings, size_t n)
{
	char **copy = mem_calloc(n + 1, sizeof(char *));

	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = mem_strdup(strings[i]);
		if (copy[i])
			continue;
		while (i > 0)
			mem_free(copy[--i]);
		mem_free(copy);
		copy = NULL;
	}
	return copy;
}

static size_t
count_strings(char *const *strings)
{
	size_t n = 0;

	while (strings && strings[n])
		n++;
	return n;
}

/* End of strings[0..n) as long as each begins where the one before it ended. */
static char *
follow(char *end, char *const *strings, size_t n)
{
	for (size_t i = 0; i < n && strings[i] == end; i++)
		end += strlen(strings[i]) + 1;
	return end;
}

void
proc_title_init(int argc, char **argv)
{
	/* Kept for good; referenced from here so that leak checkers see them, also strings that
	 * unsetenv() takes out of the array that is in use. */
	static char **kept_argv, **kept_environ, **used_environ;
	size_t n_args = argc > 0 ? (size_t)argc : 0, n_env = count_strings(environ);
	char *end;

	if (n_args == 0 || !argv[0] || title_area)
		return;
	kept_argv = copy_strings(argv, n_args);
	kept_environ = copy_strings(environ, n_env);
	used_environ = mem_calloc(n_env + 1, sizeof(char *));
	if (!kept_argv || !kept_environ || !used_environ)
		return;
	memcpy(used_environ, kept_environ, n_env * sizeof(char *));
	title_area = argv[0];
	end = follow(argv[0], argv, n_args);
	end = follow(end, environ, n_env);
	title_size = (size_t)(end - title_area);
	for (size_t i = 0; i < n_args; i++)
		argv[i] = kept_argv[i];
	environ = used_environ;
}

void
proc_set_title(const char *title)
{
	size_t len = strlen(title);

	if (!title_area || title_size < 2)
		return;
	if (len > title_size - 1)
		len = title_size - 1;
	memcpy(title_area, title, len);
	memset(title_area + len, 0, title_size - len);
}
