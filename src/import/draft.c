/*
 * draft: keys, variables and notes become the text of a brood.conf. This is where foreign text is
 * put into the language of the file: $ and % that mean nothing there are doubled, what cannot stand
 * in a line is quoted, or noted and left out.
 */
#include "import/draft.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/quote.h"
#include "base/units.h"

#define FILE_MAX       (1024 * 1024) /* what broodd reads */
#define VALUE_MAX      60000 /* a line may have 64 KiB */
#define ENV_MAX        4000 /* it takes 4096 */
#define COMMENT_WIDTH  98
#define COMMENT_MAX    1000
#define NAME_BYTES_MAX 48

#define HOLE_SLOT     '\001'
#define HOLE_VARIABLE '\002'
#define HOLE_END      '\003'

struct line {
	char *from, *key; /* key NULL: no memory, d->failed */
	struct str value;
};

struct draft_app {
	char name[NAME_BYTES_MAX + 1];
	struct str remarks; /* comment lines */
	struct line *lines, *env;
	size_t lines_len, env_len;
};

/* --- memory -------------------------------------------------------------------------------- */

void
draft_init(struct draft *d, const char *format, const char *file)
{
	*d = (struct draft){.format = format, .file = file};
	d->master = mem_calloc(1, sizeof(*d->master));
	d->failed = !d->master;
}

static void
free_lines(struct line *lines, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		mem_free(lines[i].from);
		mem_free(lines[i].key);
		str_free(&lines[i].value);
	}
	mem_free(lines);
}

static void
free_app(struct draft_app *app)
{
	if (!app)
		return;
	str_free(&app->remarks);
	free_lines(app->lines, app->lines_len);
	free_lines(app->env, app->env_len);
	mem_free(app);
}

void
draft_done(struct draft *d)
{
	for (size_t i = 0; i < d->apps_len; i++)
		free_app(d->apps[i]);
	mem_free(d->apps);
	free_app(d->master);
	for (size_t i = 0; i < d->notes_len; i++) {
		mem_free(d->notes[i].file);
		mem_free(d->notes[i].name);
		mem_free(d->notes[i].key);
		mem_free(d->notes[i].text);
		mem_free(d->notes[i].remedy);
	}
	mem_free(d->notes);
	*d = (struct draft){0};
}

/* NULL for NULL. */
static char *
copy(struct draft *d, const char *text)
{
	char *c = text ? mem_strdup(text) : NULL;

	d->failed |= text && !c;
	return c;
}

/* For one more; NULL without memory. */
static void *
grow(struct draft *d, void *array, size_t len, size_t size)
{
	void *grown = mem_realloc(array, (len + 1) * size);

	d->failed |= !grown;
	return grown;
}

/* --- text ---------------------------------------------------------------------------------- */

void
draft_add_slot(struct str *text)
{
	str_add_char(text, HOLE_SLOT);
}

void
draft_add_variable(struct str *text, const char *name, const char *fallback)
{
	str_addf(text, "%c%s%s%s%c", HOLE_VARIABLE, name, fallback ? ":-" : "",
	    fallback ? fallback : "", HOLE_END);
}

bool
draft_is_text(const char *text, size_t len)
{
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		unsigned char c = (unsigned char)text[i];

		n = utf8_sequence(text + i, len - i);
		if (n == 0 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F)
			return false;
	}
	return true;
}

/* Whether the "%" at text would mean something to the worker's start. What follows may be a hole. */
static bool
is_percent_special(const char *text)
{
	static const char *const names[] = {"(slot)", "(app)", "(generation)"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(text + 1, names[i], strlen(names[i])) == 0)
			return true;
	return text[1] == '%' || text[1] == HOLE_SLOT || text[1] == HOLE_VARIABLE;
}

/* text with its holes in the language of the file. Of a worker: % has a meaning, too. */
static void
add_language(struct str *out, const char *text, bool of_worker)
{
	for (; *text; text++) {
		switch (*text) {
		case HOLE_SLOT:
			str_add(out, "%(slot)");
			break;
		case HOLE_VARIABLE:
			str_add(out, "${");
			break;
		case HOLE_END:
			str_add_char(out, '}');
			break;
		case '$':
			/* $HOME is itself; ${HOME} and $$ are not. What follows may be a hole. */
			str_add(out, text[1] && strchr("${\001\002", text[1]) ? "$$" : "$");
			break;
		case '%':
			str_add(out, of_worker && is_percent_special(text) ? "%%" : "%");
			break;
		default:
			str_add_char(out, *text);
		}
	}
}

/* Whether it can stand as it is behind "key = ". */
static bool
is_plain(const struct str *value)
{
	const char *text = str_text(value);

	if (value->len == 0 || value->len > VALUE_MAX || strpbrk(text, "\t\r\n"))
		return false;
	return !strchr(" \t", text[0]) && !strchr(" \t", text[value->len - 1]) &&
	       draft_is_text(text, value->len);
}

/* --- keys and variables -------------------------------------------------------------------- */

static struct line *
find_line(struct line *lines, size_t len, const char *key)
{
	for (size_t i = 0; i < len; i++)
		if (lines[i].key && strcmp(lines[i].key, key) == 0)
			return &lines[i];
	return NULL;
}

/* The line of that key, emptied, or a new one. */
static struct line *
set_line(struct draft *d, struct line **lines, size_t *len, const char *key, bool repeats)
{
	struct line *l = repeats ? NULL : find_line(*lines, *len, key), *grown;

	if (l) {
		str_reset(&l->value);
		return l;
	}
	grown = grow(d, *lines, *len, sizeof(**lines));
	if (!grown)
		return NULL;
	*lines = grown;
	l = &grown[(*len)++];
	*l = (struct line){.key = copy(d, key)};
	return l;
}

static struct line *
set_key(struct draft *d, struct draft_app *app, const char *from, const char *key)
{
	bool repeats = strcmp(key, "listen") == 0;
	struct line *l = set_line(d, &app->lines, &app->lines_len, key, repeats);

	if (l) {
		mem_free(l->from);
		l->from = copy(d, from);
	}
	return l;
}

void
draft_key(
    struct draft *d, struct draft_app *app, const char *from, const char *key, const char *fmt, ...)
{
	struct line *l = app ? set_key(d, app, from, key) : NULL;
	va_list ap;

	if (!l)
		return;
	va_start(ap, fmt);
	str_vaddf(&l->value, fmt, ap);
	va_end(ap);
	d->failed |= str_failed(&l->value);
}

bool
draft_has_key(const struct draft_app *app, const char *key)
{
	return app && find_line(app->lines, app->lines_len, key);
}

void
draft_text(
    struct draft *d, const struct about *at, const char *from, const char *key, const char *text)
{
	struct str value = {0};

	if (!at->app)
		return;
	add_language(&value, text, false);
	d->failed |= str_failed(&value);
	if (is_plain(&value))
		draft_key(d, at->app, from, key, "%s", value.data);
	else if (!d->failed)
		draft_note(d, at, "use another path or name",
		    "the value is empty, or has blanks at an end, a tab, a line break or bytes "
		    "that are "
		    "not UTF-8; brood.conf cannot hold it as %s",
		    key);
	str_free(&value);
}

void
draft_command(struct draft *d, const struct about *at, const char *from, const struct words *w)
{
	struct str value = {0}, word = {0};

	for (size_t i = 0; i < w->len; i++) {
		str_reset(&word);
		add_language(&word, w->items[i], true);
		if (i > 0)
			str_add_char(&value, ' ');
		quote_add_word(&value, str_text(&word));
	}
	d->failed |= str_failed(&value) || str_failed(&word) || w->failed;
	if (w->len > 0 && w->items[0][0] && value.len <= VALUE_MAX)
		draft_key(d, at->app, from, "command", "%s", value.data);
	else if (!d->failed) {
		draft_note(d, at, "write the line into a script, and its path as command",
		    "the command is %s; /bin/false stands for it",
		    value.len > VALUE_MAX ? "longer than a line of brood.conf" : "empty");
		draft_key(d, at->app, from, "command", "/bin/false");
	}
	str_free(&value);
	str_free(&word);
}

/* "127.0.0.1:80?backlog=5" and "*:80": the same port, and one takes it all or both are one. */
static bool
is_taken(const char *a, const char *b)
{
	size_t a_len = strcspn(a, "?"), b_len = strcspn(b, "?");
	const char *a_port = memrchr(a, ':', a_len), *b_port = memrchr(b, ':', b_len);

	if (a_len == b_len && memcmp(a, b, a_len) == 0)
		return true;
	if (!a_port || !b_port || a + a_len - a_port != b + b_len - b_port ||
	    memcmp(a_port, b_port, (size_t)(a + a_len - a_port)) != 0)
		return false;
	return strncmp(a, "*:", 2) == 0 || strncmp(b, "*:", 2) == 0 ||
	       strncmp(a, "0.0.0.0:", 8) == 0 || strncmp(b, "0.0.0.0:", 8) == 0;
}

static const struct draft_app *
who_listens(const struct draft *d, const char *value)
{
	for (size_t i = 0; i < d->apps_len; i++)
		for (size_t k = 0; k < d->apps[i]->lines_len; k++)
			if (strcmp(d->apps[i]->lines[k].key, "listen") == 0 &&
			    is_taken(str_text(&d->apps[i]->lines[k].value), value))
				return d->apps[i];
	return NULL;
}

bool
draft_listen(struct draft *d, const struct about *at, const char *from, const char *address)
{
	struct str value = {0};
	const struct draft_app *other;
	bool set = false;

	add_language(&value, address, false);
	d->failed |= str_failed(&value);
	other = d->failed ? NULL : who_listens(d, value.data);
	if (!d->failed && !is_plain(&value))
		draft_note(d, at, "write an address as brood.conf(5) has them",
		    "the address cannot be written");
	else if (other)
		draft_note(d, at, "give this app another port, or make one app of the two",
		    "the address %s is that of %s already", value.data, other->name);
	else if (!d->failed) {
		draft_key(d, at->app, from, "listen", "%s", value.data);
		set = true;
	}
	str_free(&value);
	return set;
}

const char *
draft_get_env(const struct draft_app *app, const char *name)
{
	const struct line *l = app ? find_line(app->env, app->env_len, name) : NULL;

	return l ? str_text(&l->value) : NULL;
}

static bool
is_env_name(const char *name)
{
	size_t n = 0;

	if (strchr("#;[", *name)) /* "", too */
		return false;
	while (name[n] > ' ' && name[n] < 0x7F && name[n] != '=')
		n++;
	return name[n] == '\0' && n <= 1024;
}

void
draft_env(struct draft *d, const struct about *at, const char *name, const char *text)
{
	struct str value = {0};
	struct line *l;

	if (!at->app)
		return;
	add_language(&value, text, true);
	d->failed |= str_failed(&value);
	if (d->failed)
		goto out;
	if (!is_env_name(name) || value.len > VALUE_MAX || at->app->env_len >= ENV_MAX) {
		draft_note(d, at,
		    "put it into an env_file, or into a script that starts the program",
		    "the variable \"%.100s\" %s", name,
		    is_env_name(name) ? "is too long for a line, or one too many"
		                      : "has a name that brood.conf cannot hold");
		goto out;
	}
	l = set_line(d, &at->app->env, &at->app->env_len, name, false);
	if (!l)
		goto out;
	if (is_plain(&value) && value.data[0] != '"')
		str_add_n(&l->value, value.data, value.len);
	else
		quote_add_word(&l->value, str_text(&value));
	d->failed |= str_failed(&l->value);
out:
	str_free(&value);
}

/* --- apps ---------------------------------------------------------------------------------- */

const char *
draft_app_name(const struct draft_app *app)
{
	return app->name;
}

static bool
is_used(const struct draft *d, const char *name)
{
	for (size_t i = 0; i < d->apps_len; i++)
		if (strcmp(d->apps[i]->name, name) == 0)
			return true;
	return false;
}

static void
clean_name(const char *from, char name[NAME_BYTES_MAX + 1])
{
	size_t len = 0;
	const char *dot;
	uint64_t slot;

	for (; *from && len < NAME_BYTES_MAX; from++) {
		char c[2] = {*from, '\0'};
		bool ok = *from == '.' || name_is_valid(c);

		/* A letter in UTF-8 is several bytes, and one dash. */
		if (!ok && len > 0 && name[len - 1] == '-')
			continue;
		name[len++] = ok ? *from : '-';
	}
	name[len] = '\0';
	/* "web.2" is slot 2 of web on the command line. */
	dot = strrchr(name, '.');
	if (dot && units_parse_uint(dot + 1, UINT32_MAX, &slot) == 0)
		name[dot - name] = '-';
	if (!name_is_valid(name) || strspn(name, "-") == len)
		(void)snprintf(name, NAME_BYTES_MAX + 1, "app");
}

static void
make_unique(const struct draft *d, char name[NAME_BYTES_MAX + 1])
{
	char base[NAME_BYTES_MAX + 1];

	memcpy(base, name, sizeof(base));
	for (unsigned i = 2; is_used(d, name); i++) {
		char suffix[16];
		int room = NAME_BYTES_MAX - snprintf(suffix, sizeof(suffix), "-%u", i);

		(void)snprintf(name, NAME_BYTES_MAX + 1, "%.*s%s", room, base, suffix);
	}
}

struct draft_app *
draft_add_app(struct draft *d, const struct about *at)
{
	struct draft_app **grown, *app;
	struct about mine = *at;
	char name[NAME_BYTES_MAX + 1];

	if (d->apps_len >= DRAFT_APPS_MAX) {
		draft_note(d, at, "import it into a file of its own, for a master of its own",
		    "left out: more than %d apps", DRAFT_APPS_MAX);
		return NULL;
	}
	grown = grow(d, d->apps, d->apps_len, sizeof(struct draft_app *));
	if (!grown)
		return NULL;
	d->apps = grown;
	app = mem_calloc(1, sizeof(*app));
	if (!app) {
		d->failed = true;
		return NULL;
	}
	clean_name(at->name, name);
	memcpy(app->name, name, sizeof(name));
	make_unique(d, app->name);
	d->apps[d->apps_len++] = app;
	mine.app = app;
	mine.key = "name";
	if (strcmp(name, app->name) != 0)
		draft_note(d, &mine, "choose another name for [app:NAME] if you like",
		    "is called %s here, as there is a %s already", app->name, name);
	else if (strcmp(at->name, name) != 0)
		draft_note(d, &mine, "choose another name for [app:NAME] if you like",
		    "is called %s here: names have up to 48 of A-Z a-z 0-9 _ . -, and do not end "
		    "in "
		    "a dot and a number, as slots do",
		    name);
	return app;
}

void
draft_remark(struct draft *d, struct draft_app *app, const char *text)
{
	if (!app)
		return;
	str_add(&app->remarks, text);
	str_add_char(&app->remarks, '\n');
	d->failed |= str_failed(&app->remarks);
}

/* --- notes --------------------------------------------------------------------------------- */

void
draft_note(struct draft *d, const struct about *at, const char *remedy, const char *fmt, ...)
{
	struct draft_note *grown = grow(d, d->notes, d->notes_len, sizeof(*grown)), *n;
	struct str text = {0};
	va_list ap;

	if (!grown)
		return;
	d->notes = grown;
	n = &grown[d->notes_len++];
	va_start(ap, fmt);
	str_vaddf(&text, fmt, ap);
	va_end(ap);
	*n = (struct draft_note){.app = at->app,
	    .file = copy(d, at->file ? at->file : d->file),
	    .name = copy(d, at->name),
	    .key = copy(d, at->key),
	    .line = at->line,
	    .text = copy(d, str_text(&text)),
	    .remedy = copy(d, remedy)};
	d->failed |= str_failed(&text);
	str_free(&text);
}

/* --- rendering ----------------------------------------------------------------------------- */

/* One comment, wrapped; lines after the first are indented by as much as asked. */
static void
add_comment(struct str *out, const char *indent, const char *more, const char *text)
{
	struct str safe = {0};
	const char *at, *prefix = indent;
	size_t column = 0;

	str_add_escaped(&safe, text, strnlen(text, COMMENT_MAX));
	at = str_text(&safe);
	while (*at == ' ')
		at++;
	do {
		size_t len = strcspn(at, " "), width = strlen(prefix) + 2;

		if (column == 0 || column + 1 + len > COMMENT_WIDTH) {
			str_addf(out, "%s# %s", column ? "\n" : "", prefix);
			column = width;
		} else {
			str_add_char(out, ' ');
			column++;
		}
		str_add_n(out, at, len);
		column += len;
		at += len;
		at += strspn(at, " ");
		prefix = more;
	} while (*at);
	str_add_char(out, '\n');
	out->failed |= str_failed(&safe);
	str_free(&safe);
}

static void
add_note(const struct draft_note *n, bool with_name, struct str *out)
{
	struct str text = {0};

	if (with_name && n->name)
		str_addf(&text, "%s: ", n->name);
	if (n->key)
		str_addf(&text, "%s: ", n->key);
	str_add(&text, n->text);
	if (n->remedy)
		str_addf(&text, "; %s", n->remedy);
	add_comment(out, "! ", "  ", str_text(&text));
	out->failed |= str_failed(&text);
	str_free(&text);
}

static bool
add_notes(const struct draft *d, const struct draft_app *app, struct str *out)
{
	bool any = false;

	for (size_t i = 0; i < d->notes_len; i++) {
		if (d->notes[i].app != app)
			continue;
		add_note(&d->notes[i], app == NULL || app == d->master, out);
		any = true;
	}
	return any;
}

static void
add_lines(const struct line *lines, size_t len, struct str *out)
{
	const char *from = NULL;

	for (size_t i = 0; i < len; i++) {
		/* What comes from one place stands under one comment. */
		if (lines[i].from && (!from || strcmp(from, lines[i].from) != 0))
			add_comment(out, "", "  ", lines[i].from);
		from = lines[i].from;
		str_addf(out, "%s = %s\n", lines[i].key, str_text(&lines[i].value));
	}
}

static void
add_app(const struct draft *d, const struct draft_app *app, struct str *out)
{
	const char *remark = str_text(&app->remarks);

	str_add_char(out, '\n');
	while (*remark) {
		size_t len = strcspn(remark, "\n");
		struct str one = {0};

		str_add_n(&one, remark, len);
		add_comment(out, "", "", str_text(&one));
		out->failed |= str_failed(&one);
		str_free(&one);
		remark += len + 1;
	}
	(void)add_notes(d, app, out);
	str_addf(out, "[app:%s]\n", app->name);
	add_lines(app->lines, app->lines_len, out);
	if (app->env_len == 0)
		return;
	str_addf(out, "\n[env:%s]\n", app->name);
	add_lines(app->env, app->env_len, out);
}

static void
add_head(const struct draft *d, struct str *out)
{
	struct str head = {0};

	str_addf(&head, "Made by `brood import %s` of %s.", d->format, d->file);
	add_comment(out, "", "", str_text(&head));
	add_comment(out, "", "",
	    "Above each key stands what it comes from; behind \"!\" what was left out or is not "
	    "the "
	    "same, and what to do. Check it with `broodd -t -c FILE`, start it with `brood start "
	    "-c "
	    "FILE`; brood.conf(5) explains it.");
	out->failed |= str_failed(&head);
	str_free(&head);
}

int
draft_render(const struct draft *d, struct str *out)
{
	if (d->failed)
		return -ENOMEM;
	add_head(d, out);
	(void)add_notes(d, NULL, out);
	if (d->master->lines_len > 0) {
		str_add_char(out, '\n');
		(void)add_notes(d, d->master, out);
		str_add(out, "[master]\n");
		add_lines(d->master->lines, d->master->lines_len, out);
	} else
		(void)add_notes(d, d->master, out);
	for (size_t i = 0; i < d->apps_len; i++)
		add_app(d, d->apps[i], out);
	if (str_failed(out))
		return -ENOMEM;
	return out->len > FILE_MAX ? -E2BIG : 0;
}
