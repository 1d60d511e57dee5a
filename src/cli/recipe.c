/*
 * recipe: command line -> INI. Values go through two layers of reading on the other side: first
 * the file's own ($ and %, comments), then the splitting of a command into words. Each is undone
 * here in reverse. Nothing is validated: broodd does that, with one voice.
 */
#include "cli/recipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/quote.h"
#include "base/units.h"
#include "base/words.h"
#include "cli/verb.h"
#include "ipc/foreign.h"
#include "launcher/nodewords.h"
#include "sys/script.h"

#define FILE_MAX       (1024 * 1024)
#define LINE_BYTES_MAX (64 * 1024) /* what broodd takes */

extern char **environ;

/* ${VAR} and %(slot) shall not be seen in what the caller typed. */
static void
add_doubled(struct str *out, const char *text, const char *chars)
{
	for (; *text; text++) {
		if (strchr(chars, *text))
			str_add_char(out, *text);
		str_add_char(out, *text);
	}
}

static void
add_word(struct str *out, const char *word)
{
	struct str quoted = {0};

	quote_add_word(&quoted, word);
	add_doubled(out, str_text(&quoted), "$%");
	out->failed |= str_failed(&quoted);
	str_free(&quoted);
}

static void
add_command(struct str *out, char *const *argv)
{
	str_add(out, "command =");
	for (; *argv; argv++) {
		str_add_char(out, ' ');
		add_word(out, *argv);
	}
	str_add_char(out, '\n');
}

bool
recipe_is_private_variable(const char *name, size_t len)
{
	static const char *const names[] = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
	    "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};

	if ((len > 6 && memcmp(name, "BROOD_", 6) == 0) || foreign_is_variable(name, len))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == len && memcmp(name, names[i], len) == 0)
			return true;
	return false;
}

/* In a file a name ends at "=", and some first characters would make the line something else. */
static bool
is_writable_name(const char *name, size_t len)
{
	if (len == 0 || len > 1024 || strchr("#;[", name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] >= 0x7F)
			return false;
	return true;
}

/* A value of [env:] is raw to the end of its line, or one word in double quotes: always that, so
 * that blanks at the ends and line breaks are kept. */
static void
add_env_value(struct str *out, const char *value)
{
	str_add_char(out, '"');
	while (*value) {
		size_t n = utf8_sequence(value, strlen(value));

		if (n > 1)
			str_add_n(out, value, n);
		else if (*value == '"' || *value == '\\')
			str_addf(out, "\\%c", *value);
		else if (*value == '$' || *value == '%')
			str_addf(out, "%c%c", *value, *value);
		else if (*value >= ' ' && *value < 0x7F)
			str_add_char(out, *value);
		else
			str_addf(out, "\\x%02x", (unsigned char)*value);
		value += n ? n : 1;
	}
	str_add_char(out, '"');
}

/* getenv() finds the first of a name that is there twice, and a file may have it only once. */
static bool
is_second(char *const *env, char *const *entry, size_t name_len)
{
	for (; env < entry; env++)
		if (strncmp(*env, *entry, name_len + 1) == 0)
			return true;
	return false;
}

size_t
recipe_add_env(struct str *out, const char *app, char *const *env)
{
	struct str line = {0};
	size_t skipped = 0;

	str_addf(out, "\n[env:%s]\n", app);
	for (char *const *e = env; *e; e++) {
		const char *eq = strchr(*e, '=');
		size_t len = eq ? (size_t)(eq - *e) : 0;

		if (eq && (recipe_is_private_variable(*e, len) || is_second(env, e, len)))
			continue;
		str_reset(&line);
		if (eq && is_writable_name(*e, len)) {
			str_addf(&line, "%.*s = ", (int)len, *e);
			add_env_value(&line, eq + 1);
		}
		if (line.len == 0 || line.len > LINE_BYTES_MAX) {
			skipped++;
			continue;
		}
		str_add(out, str_text(&line));
		str_add_char(out, '\n');
	}
	out->failed |= str_failed(&line);
	str_free(&line);
	return skipped;
}

/* The value that --set gives key, NULL = none. */
static const char *
find_set(const struct recipe *r, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < r->set_len; i++)
		if (strncmp(r->set[i], key, len) == 0 && r->set[i][len] == '=')
			return r->set[i] + len + 1;
	return NULL;
}

static bool
sets(const struct recipe *r, const char *key)
{
	return find_set(r, key) != NULL;
}

/* The file that execvp() would take, as far as its first line matters. */
static int
read_script(const char *command, struct script *ret)
{
	const char *list = getenv("PATH");
	int r = -ENOENT;

	if (strchr(command, '/'))
		return script_read(command, ret);
	while (list && *list && r < 0) {
		size_t len = strcspn(list, ":");
		struct str path = {0};

		str_addf(&path, "%.*s/%s", (int)len, list, command);
		r = str_failed(&path) ? -ENOMEM : script_read(str_text(&path), ret);
		str_free(&path);
		list += len + (list[len] == ':');
	}
	return r;
}

/* Programs of Node's say themselves where they listen (take = node). */
static bool
is_nodes(const struct recipe *r)
{
	const char *take = find_set(r, "take");
	struct script script;

	if (take && strcmp(take, "auto") != 0)
		return strcmp(take, "node") == 0;
	return nodewords_is_node(r->argv[0]) ||
	       (read_script(r->argv[0], &script) == 1 && nodewords_is_node(script.interpreter));
}

/* A value given by --set is in the language of the file, as if written there; but it is one
 * line: what else would be in it could open another section. */
static int
check_set(const char *set, struct failure *f)
{
	const char *eq = strchr(set, '=');
	const char *key = strncmp(set, "master.", 7) == 0 ? set + 7 : set;

	if (!eq || eq <= key || strspn(key, "abcdefghijklmnopqrstuvwxyz_") != (size_t)(eq - key))
		return failure_set(f, CLI_USAGE, "--set wants KEY=VALUE, not \"%s\"", set);
	if (strpbrk(set, "\r\n"))
		return failure_set(
		    f, CLI_USAGE, "--set %.*s: the value has a line break", (int)(eq - set), set);
	if (strncmp(set, "master.name=", 12) == 0)
		return failure_set(f, CLI_USAGE, "the instance's name is given by -i");
	if (strncmp(set, "command=", 8) == 0)
		return failure_set(f, CLI_USAGE, "the command is given after --");
	return 0;
}

static void
add_sets(struct str *out, const struct recipe *r, bool master)
{
	for (size_t i = 0; i < r->set_len; i++) {
		const char *set = r->set[i], *eq = strchr(set, '=');
		bool is_master = strncmp(set, "master.", 7) == 0;

		if (is_master != master)
			continue;
		set += is_master ? 7 : 0;
		str_addf(out, "%.*s = %s\n", (int)(eq - set), set, eq + 1);
	}
}

static void
add_key(struct str *out, const char *key, const char *value)
{
	str_addf(out, "%s = ", key);
	add_doubled(out, value, "$");
	str_add_char(out, '\n');
}

static void
add_app(struct str *out, const struct recipe *r)
{
	str_addf(out, "\n[app:%s]\n", r->app);
	add_command(out, r->argv);
	if (!sets(r, "directory"))
		add_key(out, "directory", r->directory);
	if (!sets(r, "inherit_env"))
		add_key(out, "inherit_env", r->inherit_env ? "yes" : "no");
	if (r->workers)
		add_key(out, "workers", r->workers);
	for (size_t i = 0; i < r->listen_len; i++)
		add_key(out, "listen", r->listen[i]);
	if (r->listen_len == 0 && !sets(r, "listen") && !is_nodes(r))
		add_key(out, "listen", "127.0.0.1:8080");
	add_sets(out, r, false);
}

static bool
ends_in_blank(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t');
}

int
recipe_add(struct str *out, const struct recipe *r, struct failure *f)
{
	for (size_t i = 0; i < r->set_len; i++)
		if (check_set(r->set[i], f) < 0)
			return -1;
	for (size_t i = 0; i < r->listen_len; i++)
		if (strpbrk(r->listen[i], "\r\n"))
			return failure_set(f, CLI_USAGE, "an address has no line break in it");
	if (strpbrk(r->directory, "\r\n") || ends_in_blank(r->directory))
		return failure_set(f, CLI_USAGE,
		    "the current directory has a line break in its name, or a blank at its end");
	if (r->workers &&
	    strspn(r->workers, "abcdefghijklmnopqrstuvwxyz0123456789*-+") != strlen(r->workers))
		return failure_set(f, CLI_USAGE, "\"%s\" is no number of workers", r->workers);
	str_addf(out, "# Made by %s.\n[master]\n", r->made_by);
	add_key(out, "name", r->instance);
	if (r->run_dir && !sets(r, "master.run_dir"))
		add_key(out, "run_dir", r->run_dir);
	add_sets(out, r, true);
	add_app(out, r);
	if (r->environ)
		(void)recipe_add_env(out, r->app, r->environ);
	return str_failed(out) ? failure_set(f, CLI_SYSTEM, "out of memory") : 0;
}

void
recipe_name_from_command(const char *command, char *buf, size_t size)
{
	size_t len = 0;

	for (const char *p = path_base(command); *p && len + 1 < size && len < 48; p++) {
		char c[2] = {*p, '\0'};
		/* One character at a time: "." alone is not a valid name. */
		bool ok = *p == '.' || name_is_valid(c);
		/* A run of foreign bytes (a letter in UTF-8 is several) is one dash. */
		if (!ok && len > 0 && buf[len - 1] == '-')
			continue;
		buf[len++] = ok ? *p : '-';
	}
	buf[len] = '\0';
	if (!name_is_valid(buf))
		(void)snprintf(buf, size, "app");
}

static int
conf_path(struct str *out, const char *run_dir, const char *instance, const char *suffix)
{
	str_addf(out, "%s/%s.conf%s", run_dir, instance, suffix);
	return str_failed(out) ? -ENOMEM : 0;
}

static int
write_file(const char *temp, const char *path, const struct str *text)
{
	int fd, r;

	/* A temporary file that was left behind is ours: the directory is. It is removed, not reused,
	 * so that nobody who has it open can read what comes now. */
	(void)unlink(temp);
	fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, str_text(text), text->len);
	fd_close(&fd);
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	if (r < 0)
		(void)unlink(temp);
	return r;
}

int
recipe_write(const char *run_dir, const char *instance, const struct str *text, struct failure *f)
{
	struct str path = {0}, temp = {0};
	char suffix[32];
	int r;

	(void)snprintf(suffix, sizeof(suffix), ".%ld", (long)getpid());
	r = conf_path(&path, run_dir, instance, "");
	if (r == 0)
		r = conf_path(&temp, run_dir, instance, suffix);
	if (r == 0)
		r = write_file(temp.data, path.data, text);
	if (r < 0)
		failure_set(f, r == -EACCES ? CLI_PERMISSION : CLI_SYSTEM, "%s: %s",
		    str_text(&path), strerror(-r));
	str_free(&path);
	str_free(&temp);
	return r < 0 ? -1 : 0;
}

static int
read_file(const char *path, struct str *ret)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char buf[8192];
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > FILE_MAX) {
		fd_close(&fd);
		return -EINVAL;
	}
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		str_add_n(ret, buf, (size_t)n);
	n = n < 0 ? -errno : 0;
	fd_close(&fd);
	return str_failed(ret) ? -ENOMEM : (int)n;
}

/* Copies all lines but those of [env:...] and fills app (49 bytes) from [app:...]. The file is of
 * our own making, so that this is no parser: a line that starts a section is just that. */
static void
copy_without_env(struct str *out, const char *text, char app[49])
{
	bool skip = false;

	*app = '\0';
	while (*text) {
		size_t len = strcspn(text, "\n");
		size_t with_newline = len + (text[len] == '\n');

		if (*text == '[')
			skip = strncmp(text, "[env:", 5) == 0;
		if (len > 6 && len < 6 + 48 && strncmp(text, "[app:", 5) == 0)
			(void)snprintf(app, 49, "%.*s", (int)(len - 6), text + 5);
		if (!skip)
			str_add_n(out, text, with_newline);
		text += with_newline;
	}
	/* The blank line that stood before the section goes, too, or each update adds one. */
	while (out->len > 1 && out->data[out->len - 1] == '\n' && out->data[out->len - 2] == '\n')
		out->data[--out->len] = '\0';
}

int
recipe_update_env(const char *run_dir, const char *instance, const char *app, struct failure *f)
{
	struct str path = {0}, old = {0}, fresh = {0};
	char found[49];
	int r = conf_path(&path, run_dir, instance, "");

	if (r == 0)
		r = read_file(path.data, &old);
	if (r == 0)
		copy_without_env(&fresh, str_text(&old), found);
	if (r == -ENOENT)
		failure_set(f, CLI_FAILED,
		    "--update-env: %s was made by `brood run`, and has the environment of that "
		    "command",
		    instance);
	else if (r < 0)
		failure_set(f, CLI_SYSTEM, "%s: %s", str_text(&path), strerror(-r));
	else if (app && strcmp(app, found) != 0)
		r = failure_set(
		    f, CLI_USAGE, "%s has no app \"%s\", only \"%s\"", instance, app, found);
	else {
		(void)recipe_add_env(&fresh, found, environ);
		r = str_failed(&fresh) ? failure_set(f, CLI_SYSTEM, "out of memory")
		                       : recipe_write(run_dir, instance, &fresh, f);
	}
	str_free(&path);
	str_free(&old);
	str_free(&fresh);
	return r < 0 ? -1 : 0;
}
