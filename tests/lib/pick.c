/*
 * pick: what stands at a path of the JSON on stdin, as "jq -r PATH" prints it, at a fortieth of what
 * jq 1.6 needs to start: tests ask masters hundreds of times.
 *
 * It knows paths of names and numbers (.slots[0].worker.pid) to a string, an integer, a boolean or
 * null, in each of several values one after the other. Whatever else is asked, or found, goes on to
 * jq as it is, with all of its errors.
 */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *input, *output;
static size_t input_len, output_len;
static FILE *out;

static bool
read_input(void)
{
	FILE *f = open_memstream(&input, &input_len);
	char piece[65536];
	ssize_t n;

	if (!f)
		return false;
	while ((n = read(0, piece, sizeof(piece))) > 0)
		(void)fwrite(piece, 1, (size_t)n, f);
	return fclose(f) == 0 && n == 0;
}

/* Of the path, what its next step leaves; NULL: this is nothing for us. The value may be NULL, too:
 * what is not there is null. */
static const char *
step(const char *path, const json_t **value)
{
	char name[64];
	size_t len;
	char *end;

	if (*path == '[' && isdigit((unsigned char)path[1])) {
		size_t i = strtoul(path + 1, &end, 10);

		if (*end != ']' || !(json_is_array(*value) || json_is_null(*value) || !*value))
			return NULL;
		*value = json_array_get(*value, i);
		return end + 1;
	}
	if (*path != '.' || isdigit((unsigned char)path[1]))
		return NULL;
	for (len = 0; isalnum((unsigned char)path[1 + len]) || path[1 + len] == '_'; len++)
		;
	if (len == 0 || len >= sizeof(name) ||
	    !(json_is_object(*value) || json_is_null(*value) || !*value))
		return NULL;
	memcpy(name, path + 1, len);
	name[len] = '\0';
	*value = json_object_get(*value, name);
	return path + 1 + len;
}

static bool
print(const json_t *value)
{
	if (!value || json_is_null(value))
		return fputs("null\n", out) >= 0;
	if (json_is_boolean(value))
		return fputs(json_is_true(value) ? "true\n" : "false\n", out) >= 0;
	/* jq has only doubles. */
	if (json_is_integer(value) && llabs(json_integer_value(value)) < 1ll << 53)
		return fprintf(out, "%lld\n", (long long)json_integer_value(value)) > 0;
	if (json_is_string(value))
		return fprintf(out, "%s\n", json_string_value(value)) > 0;
	return false;
}

static bool
pick(const char *path)
{
	for (size_t at = 0; at < input_len;) {
		const char *rest = path;
		const json_t *value;
		json_error_t error;
		json_t *all;
		bool ok;

		if (isspace((unsigned char)input[at])) {
			at++;
			continue;
		}
		all = json_loadb(input + at, input_len - at, JSON_DISABLE_EOF_CHECK, &error);
		if (!all)
			return false;
		value = all;
		while (rest && *rest)
			rest = step(rest, &value);
		ok = rest && print(value);
		json_decref(all);
		if (!ok)
			return false;
		at += (size_t)error.position;
	}
	return true;
}

/* What we have read goes on to it. */
static int
ask_jq(const char *path)
{
	int ends[2], status;
	pid_t pid;

	if (pipe(ends) < 0 || (pid = fork()) < 0)
		return 71;
	if (pid == 0) {
		(void)dup2(ends[0], 0);
		(void)close(ends[0]);
		(void)close(ends[1]);
		(void)execlp("jq", "jq", "-r", path, (char *)NULL);
		(void)fprintf(stderr, "pick: jq: %s\n", strerror(errno));
		_exit(127);
	}
	(void)close(ends[0]);
	(void)signal(SIGPIPE, SIG_IGN); /* it may have ended with a word about the path */
	for (size_t at = 0; at < input_len;) {
		ssize_t n = write(ends[1], input + at, input_len - at);

		if (n < 0)
			break;
		at += (size_t)n;
	}
	(void)close(ends[1]);
	if (waitpid(pid, &status, 0) < 0)
		return 71;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool
is_path(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char others[] = "0123456789_.[]";

	if (*text != '.')
		return false;
	while (*text && (strchr(letters, *text) || strchr(others, *text)))
		text++;
	return *text == '\0';
}

int
main(int argc, char **argv)
{
	int code = 0;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: pick PATH < JSON\n");
		return 64;
	}
	if (!is_path(argv[1])) {
		(void)execlp("jq", "jq", "-r", argv[1], (char *)NULL);
		(void)fprintf(stderr, "pick: jq: %s\n", strerror(errno));
		return 127;
	}
	out = open_memstream(&output, &output_len);
	if (!out || !read_input())
		return 71;
	if (pick(argv[1]) && fflush(out) == 0)
		(void)fwrite(output, 1, output_len, stdout);
	else
		code = ask_jq(argv[1]);
	(void)fclose(out);
	free(output);
	free(input);
	return code;
}
