/*
 * script: see the header. Words are cut at blanks, as the kernel and env(1) do; quotes mean nothing to
 * the one and little to the other.
 */
#include "sys/script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static int
read_line(const char *path, char line[SCRIPT_LINE_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = read(fd, line, SCRIPT_LINE_MAX - 1);
	if (n < 0)
		n = -errno;
	fd_close(&fd);
	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	return n < 0 ? (int)n : 0;
}

static const char *
base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* env's own options and the variables that it sets. */
static char *
skip_env(char **rest)
{
	char *word = strtok_r(NULL, " \t", rest);

	while (word && (word[0] == '-' || strchr(word, '=')))
		word = strtok_r(NULL, " \t", rest);
	return word;
}

int
script_read(const char *path, struct script *ret)
{
	char line[SCRIPT_LINE_MAX], *rest = NULL, *word;
	size_t len = 0;
	int r = read_line(path, line);

	if (r < 0)
		return r;
	if (strncmp(line, "#!", 2) != 0)
		return 0;
	word = strtok_r(line + 2, " \t", &rest);
	if (word && strcmp(base_name(word), "env") == 0)
		word = skip_env(&rest);
	if (!word)
		return 0;
	(void)snprintf(ret->interpreter, sizeof(ret->interpreter), "%s", word);
	ret->options[0] = '\0';
	while ((word = strtok_r(NULL, " \t", &rest)))
		len += (size_t)snprintf(ret->options + len, sizeof(ret->options) - len, "%s%s",
		    len > 0 ? " " : "", word);
	return 1;
}

bool
script_is_node(const char *name)
{
	name = base_name(name);
	if (strncmp(name, "nodejs", 6) == 0)
		name += 6;
	else if (strncmp(name, "node", 4) == 0)
		name += 4;
	else
		return false;
	return name[strspn(name, "0123456789.")] == '\0';
}
