/*
 * supervisord_value: what a key of supervisord's says: Python's % formats with names, paths,
 * and the list of variables, which is read by shlex there.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "import/supervisord.h"

/* --- % formats ----------------------------------------------------------------------------- */

struct ini_option *
sup_option(const struct sup *s, const char *key)
{
	struct ini_option *o = ini_option(s->section, key);

	return o ? o : ini_option(ini_find(&s->ini, "DEFAULT"), key);
}

struct about
sup_about(const struct sup *s, const char *key)
{
	struct about at = s->at;
	const struct ini_option *o = key && s->section ? sup_option(s, key) : NULL;

	at.key = key;
	if (o)
		at.line = o->line;
	return at;
}

/* "%(name)02d": what is behind the parenthesis. */
struct format {
	bool zero;
	unsigned width;
	char conversion;
};

/* The length of the whole, from "%(", or 0. */
static size_t
parse_format(const char *text, struct format *ret, size_t *ret_name_len)
{
	const char *close = strchr(text, ')'), *p;

	*ret = (struct format){0};
	if (text[1] != '(' || !close)
		return 0;
	*ret_name_len = (size_t)(close - text - 2);
	p = close + 1;
	for (; *p && strchr("0-+ #", *p); p++)
		ret->zero |= *p == '0';
	for (; *p >= '0' && *p <= '9' && ret->width < 100; p++)
		ret->width = ret->width * 10 + (unsigned)(*p - '0');
	if (!*p || !strchr("sdiur", *p))
		return 0;
	ret->conversion = *p;
	return (size_t)(p - text) + 1;
}

static void
add_padded(struct str *out, const struct format *f, long number)
{
	char buf[32];

	(void)snprintf(buf, sizeof(buf), "%ld", number);
	for (size_t n = strlen(buf); n < f->width && n < 32; n++)
		str_add_char(out, f->zero ? '0' : ' ');
	str_add(out, buf);
}

static void
add_process_num(struct sup *s, struct str *out, const struct format *f)
{
	const struct expansions *x = &s->x;

	if (!x->slot) {
		add_padded(out, f, x->process_num);
		return;
	}
	/* With one digit the zeros in front are always the same. */
	if (f->width > 1 && (!f->zero || x->numprocs > 10))
		s->no_slot = true;
	for (unsigned i = 1; i < f->width && i < 32; i++)
		str_add_char(out, f->zero ? '0' : ' ');
	draft_add_slot(out);
}

static const char *
find_word(const struct words *names, const struct words *values, const char *name)
{
	for (size_t i = names->len < values->len ? names->len : values->len; i > 0; i--)
		if (strcmp(names->items[i - 1], name) == 0)
			return values->items[i - 1];
	return NULL;
}

static void
add_env(struct sup *s, struct str *out, const char *key, const char *name)
{
	const char *value = find_word(&s->x.names, &s->x.values, name), *now;

	if (!value)
		value = find_word(&s->names, &s->values, name);
	now = import_variable(s->im, name);
	if (value)
		str_add(out, value);
	else if (s->x.literal || (*name >= '0' && *name <= '9')) {
		/* Also where it is no name for ${ }. */
		str_add(out, now && draft_is_text(now, strlen(now)) ? now : "");
	} else {
		draft_add_variable(out, name, now ? NULL : "");
		if (!now)
			NOTE(s, key, "set it for broodd, or write its value",
			    "%.60s is not set here; where broodd does not have it, it is empty",
			    name);
	}
}

/* One name in parentheses. false: supervisord does not know it. */
static bool
add_named(struct sup *s, struct str *out, const char *key, const char *name, const struct format *f)
{
	if (strcmp(name, "here") == 0)
		str_add(out, s->x.section->here);
	else if (strcmp(name, "program_name") == 0)
		str_add(out, s->x.program);
	else if (strcmp(name, "group_name") == 0)
		str_add(out, s->x.group);
	else if (strcmp(name, "host_node_name") == 0)
		str_add(out, s->im->world->host ? s->im->world->host : "localhost");
	else if (strcmp(name, "numprocs") == 0)
		add_padded(out, f, s->x.numprocs);
	else if (strcmp(name, "process_num") == 0)
		add_process_num(s, out, f);
	else if (strncmp(name, "ENV_", 4) == 0 && name[4] &&
	         name[4 + strspn(name + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	                                   "0123456789_")] == '\0')
		add_env(s, out, key, name + 4);
	else
		return false;
	return true;
}

/* Appends. What cannot be expanded stays as it is, and is noted: supervisord would not start. */
static void
expand(struct sup *s, const char *key, const char *text, struct str *out)
{
	bool bad = false;

	str_add(out, "");
	while (*text) {
		struct format f;
		size_t name_len, len;
		struct str name = {0};

		if (*text != '%') {
			len = strcspn(text, "%");
			str_add_n(out, text, len);
			text += len;
			continue;
		}
		if (text[1] == '%') {
			str_add_char(out, '%');
			text += 2;
			continue;
		}
		len = parse_format(text, &f, &name_len);
		str_add_n(&name, len ? text + 2 : "", len ? name_len : 0);
		if (!len || !add_named(s, out, key, str_text(&name), &f)) {
			bad = true;
			len = 1;
			str_add_char(out, '%');
		}
		s->im->draft.failed |= str_failed(&name);
		str_free(&name);
		text += len;
	}
	if (bad)
		NOTE(s, key, "correct it",
		    "has a %% that supervisord could not expand; it is taken as it is");
	s->im->draft.failed |= str_failed(out);
}

/* --- values -------------------------------------------------------------------------------- */

/* The expanded value in out; false where the key is not there. */
bool
sup_get(struct sup *s, const char *key, struct str *out)
{
	const struct ini_option *o = sup_option(s, key);

	str_reset(out);
	if (!o || o->value.len == 0)
		return false;
	expand(s, key, str_text(&o->value), out);
	return out->data != NULL;
}

/* For values that are looked at here, not copied: the environment's are those of now. */
bool
sup_get_literal(struct sup *s, const char *key, struct str *out)
{
	bool slot = s->x.slot, found;

	s->x.slot = false;
	s->x.literal = true;
	found = sup_get(s, key, out);
	s->x.slot = slot;
	s->x.literal = false;
	return found;
}

long
sup_get_number(struct sup *s, const char *key, long fallback, long most)
{
	struct str text = {0};
	long n = fallback;
	char *end;

	if (sup_get_literal(s, key, &text)) {
		errno = 0;
		n = strtol(str_text(&text), &end, 10);
		if (end == text.data || *end || errno || n < 0 || n > most) {
			NOTE(s, key, "write the key of brood.conf(5) by hand",
			    "is no number from 0 to %ld; passed over", most);
			n = fallback;
		}
	}
	str_free(&text);
	return n;
}

bool
sup_get_bool(struct sup *s, const char *key, bool fallback)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
	struct str text = {0};
	bool value = fallback;

	if (sup_get_literal(s, key, &text))
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strcasecmp(str_text(&text), words[i]) == 0)
				value = i % 2;
	str_free(&text);
	return value;
}

bool
sup_has(const struct sup *s, const char *key)
{
	const struct ini_option *o = sup_option(s, key);

	return o && o->value.len > 0;
}

/* A size such as 50MB, or a number. */
bool
sup_is_positive(struct sup *s, const char *key)
{
	struct str text = {0};
	bool yes = sup_get_literal(s, key, &text) && strtol(text.data, NULL, 10) > 0;

	str_free(&text);
	return yes;
}

/* "stopwaitsecs=30", of up to three keys, as they are written. */
const char *
sup_from(struct sup *s, const char *a, const char *b, const char *c)
{
	const char *keys[] = {a, b, c};

	str_reset(&s->from);
	for (int i = 0; i < 3; i++) {
		const struct ini_option *o = keys[i] ? sup_option(s, keys[i]) : NULL;

		if (o)
			str_addf(&s->from, "%s%s=%.160s", s->from.len ? ", " : "", keys[i],
			    str_text(&o->value));
	}
	s->im->draft.failed |= str_failed(&s->from);
	for (size_t i = 0; i < s->from.len; i++)
		if (s->from.data[i] == '\n')
			s->from.data[i] = ' ';
	return str_text(&s->from);
}

void
sup_copy_text(struct sup *s, const char *key, const char *ours)
{
	struct about at = sup_about(s, key);
	struct str text = {0};

	if (sup_get(s, key, &text))
		draft_text(&s->im->draft, &at, sup_from(s, key, NULL, NULL), ours, str_text(&text));
	str_free(&text);
}

/* An absolute path of what a file of supervisord's has: from where supervisord runs, which is the
 * directory of [supervisord], or else not known. */
char *
sup_full_path(struct sup *s, const char *key, const char *path)
{
	const char *home = import_variable(s->im, "HOME");

	if (*path == '~' && (path[1] == '/' || !path[1]) && home)
		return import_path(home, path + 1 + (path[1] == '/'));
	if (*path != '/' && *path != '\002')
		NOTE(s, key, "write an absolute path",
		    "is relative to where supervisord was started; taken as relative to its "
		    "configuration");
	return *path == '\002' ? mem_strdup(path) : import_path(s->im->directory, path);
}

/* --- environments -------------------------------------------------------------------------- */

static bool
is_env_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("_/.+-():\001\002\003\"'\\", c)) || (unsigned char)c >= 0x80;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A token of shlex: a run of such characters, quotes taken off, or one other character. Returns
 * where it ends, or NULL for a quote that does not end. */
static const char *
env_token(const char *at, struct str *out)
{
	char quote = '\0';

	str_reset(out);
	str_add(out, "");
	if (*at && !is_env_char(*at)) {
		str_add_char(out, *at);
		return at + 1;
	}
	for (; *at && (quote || is_env_char(*at)); at++) {
		if (quote && *at == quote)
			quote = '\0';
		else if (!quote && (*at == '"' || *at == '\''))
			quote = *at;
		else if (*at == '\\' && at[1] &&
		         (!quote || (quote == '"' && strchr("\"\\", at[1]))))
			str_add_char(out, *++at);
		else
			str_add_char(out, *at);
	}
	return quote ? NULL : at;
}

static const char *
skip_env(const char *at)
{
	for (;;) {
		while (is_space(*at))
			at++;
		if (*at != '#')
			return at;
		at += strcspn(at, "\n");
	}
}

/* KEY="value",KEY2=value. false: it is something else from there on. */
static bool
parse_environment(const char *text, struct words *names, struct words *values)
{
	struct str name = {0}, sign = {0}, value = {0};
	const char *at = skip_env(text);
	bool ok = true;

	while (ok && *at) {
		at = env_token(at, &name);
		at = at ? env_token(skip_env(at), &sign) : NULL;
		at = at && sign.len == 1 && *sign.data == '=' ? env_token(skip_env(at), &value)
		                                              : NULL;
		ok = at && name.len > 0;
		if (!ok)
			break;
		words_add(names, str_text(&name));
		words_add(values, str_text(&value));
		at = skip_env(at);
		ok = !*at || *at == ',';
		at = *at ? skip_env(at + 1) : at;
	}
	names->failed |= str_failed(&name) || str_failed(&sign) || str_failed(&value);
	str_free(&name);
	str_free(&sign);
	str_free(&value);
	return ok;
}

/* The key `environment` of the section at hand. */
void
sup_read_environment(struct sup *s, struct words *names, struct words *values)
{
	struct str text = {0};

	if (sup_get(s, "environment", &text) && !parse_environment(str_text(&text), names, values))
		NOTE(s, "environment", "write KEY=\"value\",KEY2=\"value\", and import again",
		    "ends in something that is no such list; supervisord would refuse it");
	s->im->draft.failed |= names->failed || values->failed;
	str_free(&text);
}
