/*
 * script: see the header. Words are cut at blanks, as the kernel and env(1) do; quotes mean nothing to
 * the one and little to the other.
 */
#include "sys/script.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/words.h"

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

/* The next word of *at, which is cut off behind it; false: there is none. */
static bool
next_word(char **at, char **ret)
{
	*at += strspn(*at, " \t");
	*ret = *at;
	*at += strcspn(*at, " \t");
	if (*at == *ret)
		return false;
	if (**at != '\0')
		*(*at)++ = '\0';
	return true;
}

/* What env starts: *word becomes the first word that is no option and sets no variable. */
static bool
skip_env(char **at, char **word)
{
	static const char split[] = "--split-string=";

	while (next_word(at, word)) {
		char *s = *word[0] == '-' ? strchr(*word, 'S') : NULL;

		if (strncmp(*word, split, strlen(split)) == 0)
			*word += strlen(split);
		else if (s && (*word)[1] != '-')
			*word = s + 1; /* -S, -vS, and what is glued to it */
		else if (strcmp(*word, "-u") == 0 || strcmp(*word, "-C") == 0)
			(void)next_word(at, word), **word = '\0';
		if (**word != '\0' && **word != '-' && !strchr(*word, '='))
			return true;
	}
	return false;
}

int
script_read(const char *path, struct script *ret)
{
	char line[SCRIPT_LINE_MAX], *at = line + 2, *word;
	int r = read_line(path, line);

	if (r < 0)
		return r;
	if (strncmp(line, "#!", 2) != 0 || !next_word(&at, &word))
		return 0;
	if (strcmp(path_base(word), "env") == 0 && !skip_env(&at, &word))
		return 0;
	(void)snprintf(ret->interpreter, sizeof(ret->interpreter), "%s", word);
	at += strspn(at, " \t");
	(void)snprintf(ret->options, sizeof(ret->options), "%s", at);
	return 1;
}
