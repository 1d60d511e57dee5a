/*
 * import: the verb. It reads the file, asks the machine what importers want to know, and writes the
 * brood.conf and the notes. What the file means is the importers' business.
 */
#include "import/import.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/import_node.h"
#include "launcher/filesystem.h"

#define NODE_MS 10000 /* that node may take, without --timeout */

enum format { FORMAT_PM2, FORMAT_PROCFILE, FORMAT_SUPERVISORD, FORMAT_MAX };

static const char *const formats[FORMAT_MAX] = {
    [FORMAT_PM2] = "pm2", [FORMAT_PROCFILE] = "Procfile", [FORMAT_SUPERVISORD] = "supervisord"};

struct job {
	struct cli *cli;
	enum format format;
	const char *file; /* as given */
	char *path, *directory; /* absolute */
	struct import im;
	struct str config;
};

/* --- the machine --------------------------------------------------------------------------- */

static int
read_file(const char *path, struct str *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), r = 0;
	char buf[16384];
	struct stat st;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	while (r == 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		str_add_n(ret, buf, (size_t)n);
		if (ret->len > IMPORT_FILE_MAX)
			r = -EFBIG;
		if (str_failed(ret))
			r = -ENOMEM;
	}
	if (n < 0)
		r = -errno;
	fd_close(&fd);
	return r;
}

static int
world_read(void *arg, const char *path, struct str *ret)
{
	(void)arg;
	return read_file(path, ret);
}

static enum path_kind
world_kind(void *arg, const char *path)
{
	enum file_kind kind = files_kind(&files_of_system, path, NULL);
	char head[1024];
	struct stat st;
	ssize_t n = 0;
	int fd;

	(void)arg;
	if (kind == FILE_NONE)
		return PATH_NONE;
	if (kind == FILE_NODE)
		return PATH_NODE;
	if (kind == FILE_OTHER)
		return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? PATH_DIRECTORY : PATH_TEXT;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0)
		n = read(fd, head, sizeof(head));
	fd_close(&fd);
	return n > 0 && memchr(head, '\0', (size_t)n) ? PATH_BINARY : PATH_TEXT;
}

static char *
world_real(void *arg, const char *path)
{
	(void)arg;
	return files_real(&files_of_system, "", path);
}

static const char *
world_variable(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

static void
world_glob(void *arg, const char *pattern, struct words *ret)
{
	glob_t g = {0};

	(void)arg;
	if (glob(pattern, 0, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++)
			words_add(ret, g.gl_pathv[i]);
	globfree(&g);
}

/* --- reading ------------------------------------------------------------------------------- */

/* Absolute, by the links as they are: what is beside the file is found where the user put it. */
static int
locate(struct job *j)
{
	char *cwd = getcwd(NULL, 0), *slash;

	j->path = cwd ? import_path(cwd, j->file) : NULL;
	free(cwd);
	j->directory = j->path ? mem_strdup(j->path) : NULL;
	if (!j->directory)
		return cli_fail(
		    j->cli, CLI_SYSTEM, "%s: out of memory, or no current directory", j->file);
	slash = strrchr(j->directory, '/');
	slash[slash == j->directory] = '\0';
	return CLI_OK;
}

static bool
ends_in(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len > n && strcasecmp(text + len - n, end) == 0;
}

static int
read_text(struct job *j, struct str *ret)
{
	int r = read_file(j->path, ret);

	if (r == 0)
		return CLI_OK;
	if (r == -EFBIG)
		return cli_fail(j->cli, CLI_CONFIG, "%s: is larger than 1 MiB", j->file);
	return cli_fail(j->cli, r == -EACCES ? CLI_PERMISSION : CLI_FAILED, "%s: %s", j->file,
	    r == -EINVAL ? "is no regular file" : strerror(-r));
}

static int
refuse(struct job *j, int r, const struct err *e)
{
	if (r == -ENOMEM)
		return cli_fail(j->cli, CLI_SYSTEM, "out of memory");
	return cli_fail(j->cli, CLI_CONFIG, "%s", e->text);
}

static int
read_pm2(struct job *j, json_t **ret)
{
	bool yaml = ends_in(j->file, ".yaml") || ends_in(j->file, ".yml");
	struct failure f = {0};
	struct str text = {0};
	struct err e = {0};
	int code = read_text(j, &text), r;

	if (code == CLI_OK && (yaml || ends_in(j->file, ".js") || ends_in(j->file, ".cjs") ||
	                          ends_in(j->file, ".mjs"))) {
		if (import_ask_node(j->path, yaml, cli_deadline_us(j->cli, NODE_MS), ret, &f) < 0)
			code = cli_fail_with(j->cli, &f);
		failure_done(&f);
	} else if (code == CLI_OK) {
		r = import_literal(j->file, str_text(&text), text.len, ret, &e);
		code = r < 0 ? refuse(j, r, &e) : CLI_OK;
	}
	str_free(&text);
	return code;
}

static int
translate_pm2(struct job *j)
{
	json_t *root = NULL;
	struct err e = {0};
	int r, code = read_pm2(j, &root);

	if (code == CLI_OK) {
		r = import_pm2(&j->im, root, &e);
		code = r < 0 ? refuse(j, r, &e) : CLI_OK;
	}
	json_decref(root);
	return code;
}

static int
translate_text(struct job *j)
{
	struct str text = {0};
	struct err e = {0};
	int code = read_text(j, &text), r = 0;

	if (code == CLI_OK) {
		r = j->format == FORMAT_PROCFILE
		        ? import_procfile(&j->im, str_text(&text), text.len, &e)
		        : import_supervisord(&j->im, str_text(&text), text.len, &e);
		code = r < 0 ? refuse(j, r, &e) : CLI_OK;
	}
	str_free(&text);
	return code;
}

/* --- writing ------------------------------------------------------------------------------- */

static void
add_place(struct str *out, const struct draft_note *n)
{
	str_add(out, n->file);
	if (n->line)
		str_addf(out, ":%u", n->line);
	str_add(out, ": ");
	if (n->name)
		str_addf(out, "%s: ", n->name);
	if (n->key)
		str_addf(out, "%s: ", n->key);
}

static void
print_notes(const struct job *j)
{
	const struct draft *d = &j->im.draft;
	bool color = j->cli->term.color_err;

	(void)fflush(stdout);
	for (size_t i = 0; i < d->notes_len; i++) {
		struct str line = {0};

		add_place(&line, &d->notes[i]);
		str_add(&line, d->notes[i].text);
		(void)fprintf(stderr, "%snote: %s", term_on(color, TINT_WARN), term_off(color));
		term_put_n(stderr, str_text(&line), line.len);
		(void)putc('\n', stderr);
		if (d->notes[i].remedy)
			cli_hint(j->cli, "%s", d->notes[i].remedy);
		str_free(&line);
	}
}

/* Foreign names need not be what JSON takes. */
static json_t *
escaped(const char *text)
{
	struct str safe = {0};
	json_t *v;

	if (!text)
		return json_null();
	str_add(&safe, "");
	str_add_escaped(&safe, text, strlen(text));
	v = json_string(str_text(&safe));
	str_free(&safe);
	return v;
}

static int
print_json(const struct job *j)
{
	const struct draft *d = &j->im.draft;
	json_t *notes = json_array(), *all;
	int code;

	for (size_t i = 0; i < d->notes_len; i++) {
		const struct draft_note *n = &d->notes[i];

		(void)json_array_append_new(
		    notes, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "file", escaped(n->file),
		               "line", n->line ? json_integer(n->line) : json_null(), "app",
		               escaped(n->name), "key", escaped(n->key), "text", escaped(n->text),
		               "remedy", escaped(n->remedy)));
	}
	all = json_pack("{s:s, s:o, s:o}", "config", str_text(&j->config), "output",
	    escaped(j->cli->output), "notes", notes);
	code = all ? cli_print_json(j->cli, all, false) : CLI_SYSTEM;
	json_decref(all);
	return code;
}

static int
write_refused(const struct job *j, int code)
{
	if (code == -EEXIST) {
		cli_fail(j->cli, CLI_FAILED, "%s is there already", j->cli->output);
		cli_hint(j->cli, "--force replaces it");
		return CLI_FAILED;
	}
	return cli_fail(j->cli, code == -EACCES || code == -EPERM ? CLI_PERMISSION : CLI_FAILED,
	    "%s: %s", j->cli->output, strerror(-code));
}

/* The environment is in it, so it is for its owner. A file that is there is replaced at one blow,
 * or left alone. */
static int
write_file(const struct job *j)
{
	const char *path = j->cli->output;
	struct str temp = {0};
	int fd, r = 0;

	str_add(&temp, path);
	if (j->cli->force)
		str_addf(&temp, ".%ld", (long)getpid());
	if (str_failed(&temp))
		return cli_fail(j->cli, CLI_SYSTEM, "out of memory");
	fd = open(temp.data, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		r = -errno;
	if (r == 0) {
		r = fd_write_all(fd, str_text(&j->config), j->config.len);
		fd_close(&fd);
		if (r == 0 && j->cli->force && rename(temp.data, path) < 0)
			r = -errno;
		if (r < 0)
			(void)unlink(temp.data);
	}
	str_free(&temp);
	return r < 0 ? write_refused(j, r) : CLI_OK;
}

static int
put(struct job *j)
{
	const struct draft *d = &j->im.draft;
	int r = draft_render(d, &j->config), code = CLI_OK;

	if (r == -E2BIG)
		return cli_fail(j->cli, CLI_FAILED,
		    "%s: what comes of it is larger than 1 MiB; import it in parts", j->file);
	if (r < 0)
		return cli_fail(j->cli, CLI_SYSTEM, "out of memory");
	if (j->cli->output)
		code = write_file(j);
	if (code != CLI_OK)
		return code;
	if (j->cli->json)
		return print_json(j);
	if (!j->cli->output)
		(void)fwrite(str_text(&j->config), 1, j->config.len, stdout);
	else {
		term_put(stdout, j->cli->output);
		printf(": %zu app%s, %zu note%s\n", d->apps_len, d->apps_len == 1 ? "" : "s",
		    d->notes_len, d->notes_len == 1 ? "" : "s");
	}
	print_notes(j);
	return code;
}

/* --- the command line ---------------------------------------------------------------------- */

static int
wrong(const struct cli *cli, const char *text)
{
	cli_fail(cli, CLI_USAGE, "%s", text);
	cli_hint(cli, "usage: brood import [OPTION...] %s", cli->verb->arguments);
	return CLI_USAGE;
}

static int
find_format(struct job *j)
{
	const char *word = j->cli->args[0];
	struct cli *cli = j->cli;

	while (j->format < FORMAT_MAX && strcasecmp(word, formats[j->format]) != 0)
		j->format++;
	if (j->format == FORMAT_MAX) {
		cli_fail(
		    cli, CLI_USAGE, "import: \"%s\" is none of pm2, Procfile, supervisord", word);
		cli_hint(cli, "usage: brood import [OPTION...] %s", cli->verb->arguments);
		return CLI_USAGE;
	}
	if (cli->args_len < 2 && j->format != FORMAT_PROCFILE)
		return wrong(cli, "import: the file is missing");
	if (cli->environment && j->format != FORMAT_PM2)
		return wrong(cli, "import: --env is for pm2");
	if (cli->force && !cli->output)
		return wrong(cli, "import: --force is for -o");
	j->file = cli->args_len > 1 ? cli->args[1] : "Procfile";
	return CLI_OK;
}

int
cmd_import(struct cli *cli)
{
	struct job j = {.cli = cli};
	char host[HOST_NAME_MAX + 1] = "";
	const struct world world = {.read = world_read,
	    .kind = world_kind,
	    .real = world_real,
	    .variable = world_variable,
	    .glob = world_glob,
	    .host = host};
	int code = find_format(&j);

	if (code == CLI_OK)
		code = locate(&j);
	if (code == CLI_OK) {
		(void)gethostname(host, sizeof(host) - 1);
		draft_init(&j.im.draft, formats[j.format], j.file);
		j.im.world = &world;
		j.im.directory = j.directory;
		j.im.environment = cli->environment;
		code = j.format == FORMAT_PM2 ? translate_pm2(&j) : translate_text(&j);
		if (code == CLI_OK)
			code = put(&j);
		draft_done(&j.im.draft);
	}
	str_free(&j.config);
	mem_free(j.path);
	mem_free(j.directory);
	return code;
}
