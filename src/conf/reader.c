/*
 * reader: lines of a file on their way to inih.
 *
 * inih cuts lines at about 200 bytes and goes on with the rest as if it were a line of its own,
 * cuts names of sections, takes " ;" for a comment and ":" for a separator, and joins indented
 * lines to the one before. So it never sees a line of the file: this reader knows line and
 * column, refuses what is no plain line, notes the true text in struct raw and hands inih a
 * stand-in, "[3]" for the section noted as number 3 and "key=1f" for the entry noted as 0x1f.
 * What inih says about order and belonging comes back to the handler with these numbers.
 * Must not interpret values.
 */
#include <errno.h>
#include <ini.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/units.h"
#include "conf/internal.h"

struct reader {
	struct load *load;
	const struct source_file *file;
	const char *at, *end; /* what is left */
	unsigned line;
};

/* One line without its end. */
struct line {
	const char *text;
	size_t len;
	struct place at;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
next_line(struct reader *r, struct line *ret)
{
	const char *newline;

	if (r->at == r->end)
		return false;
	newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
	ret->text = r->at;
	ret->len = (size_t)((newline ? newline : r->end) - r->at);
	r->at = newline ? newline + 1 : r->end;
	if (ret->len > 0 && ret->text[ret->len - 1] == '\r')
		ret->len--;
	ret->at = (struct place){.file = r->file, .line = ++r->line, .col = 1};
	return true;
}

/* Bytes that no line may have; true when there are none. */
static bool
check_bytes(struct load *l, const struct line *line)
{
	struct place at = line->at;
	size_t n;

	if (line->len > LINE_MAX_BYTES) {
		load_error(l, &at,
		    "the line is longer than 64 KiB; put long lists into an env_file "
		    "or a script");
		return false;
	}
	for (size_t i = 0; i < line->len; i += n) {
		n = utf8_sequence(line->text + i, line->len - i);
		at.col = (unsigned)i + 1;
		if (n == 0) {
			load_error(l, &at, "byte 0x%02x is not UTF-8; save the file as UTF-8",
			    (unsigned char)line->text[i]);
			return false;
		}
		if (line->text[i] == '\0') {
			load_error(l, &at, "a NUL byte; this is no text file");
			return false;
		}
	}
	return true;
}

static enum section_kind
classify(const char *name)
{
	if (strcmp(name, "master") == 0)
		return SECTION_MASTER;
	if (strncmp(name, "app:", 4) == 0 && name_is_valid(name + 4))
		return SECTION_APP;
	if (strncmp(name, "env:", 4) == 0 && name_is_valid(name + 4))
		return SECTION_ENV;
	return SECTION_BAD;
}

static void
complain_of_name(struct load *l, const struct place *at, const char *name, size_t len)
{
	static const char *const known[] = {"master", "app", "env"};
	const char *colon = memchr(name, ':', len), *near;
	char word[SECTION_LEN_MAX + 1];

	if (len == 0) {
		load_error(l, at,
		    "the section has no name; write [master], [app:NAME] or "
		    "[env:NAME]");
		return;
	}
	if (len > SECTION_LEN_MAX) {
		load_error(l, at,
		    "the section's name is longer than %d bytes; names of apps have "
		    "at most 48",
		    SECTION_LEN_MAX);
		return;
	}
	(void)snprintf(
	    word, sizeof(word), "%.*s", (int)(colon ? colon - name : (ptrdiff_t)len), name);
	if (colon && (strcmp(word, "app") == 0 || strcmp(word, "env") == 0)) {
		load_error(l, at, "[%.*s]: \"%.*s\" is no name; use 1 to 48 of A-Z a-z 0-9 _ . -",
		    (int)len, name, (int)(name + len - colon - 1), colon + 1);
		return;
	}
	if (!colon && (strcmp(word, "app") == 0 || strcmp(word, "env") == 0)) {
		load_error(l, at, "[%s] names no app; write [%s:NAME]", word, word);
		return;
	}
	near = str_nearest(word, known, 3);
	if (near && strcmp(near, "master") == 0)
		load_error(l, at, "unknown section [%.*s]; did you mean [master]?", (int)len, name);
	else if (near)
		load_error(
		    l, at, "unknown section [%.*s]; did you mean [%s:NAME]?", (int)len, name, near);
	else
		load_error(l, at,
		    "unknown section [%.*s]; there are [master], [app:NAME] and "
		    "[env:NAME]",
		    (int)len, name);
}

/* The second one's keys are passed over, or each would be one more complaint. */
static void
refuse_if_twice(struct load *l, struct raw_section *new)
{
	const struct raw_section *old;

	for (size_t i = 0; i + 1 < l->raw.sections_len; i++) {
		old = &l->raw.sections[i];
		if (old->kind == SECTION_BAD || strcmp(old->text, new->text) != 0)
			continue;
		load_error(l, &new->at,
		    "[%s] again: it began at %s:%u; put its keys there, or give "
		    "this one another name",
		    new->text, old->at.file->label, old->at.line);
		new->kind = SECTION_BAD;
		return;
	}
}

/* Notes the section, a bad one too, so that its keys are passed over and not given to the one
 * before. 0 or -ENOMEM. */
static int
note_section(struct load *l, const struct place *at, const char *name, size_t len, bool good)
{
	struct raw *raw = &l->raw;
	struct raw_section *s;

	if (grow(&raw->sections, &raw->sections_cap, raw->sections_len, sizeof(*raw->sections)))
		return -ENOMEM;
	s = &raw->sections[raw->sections_len];
	memset(s, 0, sizeof(*s));
	s->text = mem_strndup(name, len);
	if (!s->text)
		return -ENOMEM;
	s->at = *at;
	s->kind = good ? classify(s->text) : SECTION_BAD;
	raw->sections_len++;
	if (good && s->kind == SECTION_BAD)
		complain_of_name(l, at, name, len);
	else if (good)
		refuse_if_twice(l, s);
	return 0;
}

/* 1: noted; 0: nothing to hand on; -ENOMEM. */
static int
take_section(struct load *l, const struct line *line)
{
	const char *close = memchr(line->text, ']', line->len), *rest;
	struct place at = line->at;
	size_t len = line->len;
	bool good = true;

	while (len > 0 && is_blank(line->text[len - 1]))
		len--;
	at.col = 2;
	if (l->raw.sections_len >= SECTIONS_MAX) {
		load_error(l, &at, "more than %d sections", SECTIONS_MAX);
		return 0;
	}
	if (!close) {
		load_error(l, &line->at, "the section's name does not end; write a ] behind it");
		good = false;
		close = line->text + 1;
	}
	rest = close + 1;
	if (good && rest < line->text + len) {
		at.col = (unsigned)(rest - line->text) + 1;
		load_error(
		    l, &at, "text behind the section's name; a comment stands on its own line");
		good = false;
	}
	at.col = 2;
	len = (size_t)(close - line->text - 1);
	if (good && (len == 0 || len > SECTION_LEN_MAX)) {
		complain_of_name(l, &at, line->text + 1, len);
		good = false;
		len = 0;
	}
	return note_section(l, &at, line->text + 1, len, good) ? -ENOMEM : 1;
}

static int
note_entry(
    struct load *l, const struct line *line, size_t key_len, size_t value_at, size_t value_len)
{
	struct raw *raw = &l->raw;
	struct raw_entry *e;

	if (grow(&raw->entries, &raw->entries_cap, raw->entries_len, sizeof(*raw->entries)))
		return -ENOMEM;
	e = &raw->entries[raw->entries_len];
	memset(e, 0, sizeof(*e));
	e->section = SECTION_TOP;
	e->at = e->value_at = line->at;
	e->value_at.col = (unsigned)value_at + 1;
	e->key = mem_strndup(line->text, key_len);
	e->value = mem_strndup(line->text + value_at, value_len);
	if (!e->key || !e->value) {
		mem_free(e->key);
		mem_free(e->value);
		return -ENOMEM;
	}
	raw->entries_len++;
	return 1;
}

/* 1: noted; 0: nothing to hand on; -ENOMEM. */
static int
take_entry(struct load *l, const struct line *line)
{
	const char *equals = memchr(line->text, '=', line->len), *colon;
	size_t key_len, at, end = line->len;

	if (!equals) {
		colon = memchr(line->text, ':', line->len);
		load_error(l, &line->at,
		    colon ? "no \"=\" in this line; write \"key = value\", with = "
		            "and not :"
		          : "no \"=\" in this line; write \"key = value\"");
		return 0;
	}
	key_len = (size_t)(equals - line->text);
	at = key_len + 1;
	while (key_len > 0 && is_blank(line->text[key_len - 1]))
		key_len--;
	while (at < end && is_blank(line->text[at]))
		at++;
	while (end > at && is_blank(line->text[end - 1]))
		end--;
	if (key_len == 0) {
		load_error(l, &line->at, "no key before the \"=\"");
		return 0;
	}
	return note_entry(l, line, key_len, at, end - at);
}

static bool
is_comment(const struct line *line)
{
	size_t i = 0;

	while (i < line->len && is_blank(line->text[i]))
		i++;
	return i == line->len || line->text[i] == '#' || line->text[i] == ';';
}

static int
take_line(struct load *l, const struct line *line)
{
	if (!check_bytes(l, line) || is_comment(line))
		return 0;
	if (is_blank(line->text[0])) {
		load_error(l, &line->at,
		    "the line is indented; a value can't go on in a second line: "
		    "move this one to the left or join it to the one before");
		return 0;
	}
	return line->text[0] == '[' ? take_section(l, line) : take_entry(l, line);
}

/* inih asks for a line. */
static char *
on_read(char *buf, int size, void *stream)
{
	struct reader *r = stream;
	struct load *l = r->load;
	struct line line;
	int taken;

	while (!l->no_memory && next_line(r, &line)) {
		taken = take_line(l, &line);
		if (taken < 0)
			l->no_memory = true;
		if (taken <= 0)
			continue;
		if (line.text[0] == '[')
			(void)snprintf(buf, (size_t)size, "[%zx]\n", l->raw.sections_len - 1);
		else
			(void)snprintf(buf, (size_t)size, "key=%zx\n", l->raw.entries_len - 1);
		return buf;
	}
	return NULL;
}

/* inih found an entry. An include is followed at once, so that what it brings stands where it
 * stood. */
static int
on_entry(void *user, const char *section, const char *name, const char *value)
{
	struct reader *r = user;
	struct load *l = r->load;
	struct raw_entry *e = &l->raw.entries[strtoul(value, NULL, 16)];
	struct raw_entry copy;

	(void)name;
	if (section[0] != '\0')
		e->section = strtoul(section, NULL, 16);
	if (l->no_memory || strcmp(e->key, "include") != 0)
		return 1;
	if (e->section == SECTION_TOP || l->raw.sections[e->section].kind == SECTION_MASTER) {
		copy = *e; /* The array moves while others are read. */
		include_files(l, &copy);
	}
	return 1;
}

static struct source_file *
add_file(struct load *l, const char *path, const char *label, const struct source_file *parent)
{
	struct raw *raw = &l->raw;
	struct source_file *f;

	if (grow(&raw->files, &raw->files_cap, raw->files_len, sizeof(*raw->files)))
		return NULL;
	f = mem_calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	raw->files[raw->files_len++] = f;
	f->parent = parent;
	f->depth = parent ? parent->depth + 1 : 0;
	f->path = mem_strdup(path);
	f->label = mem_strdup(label ? label : path);
	return f->path && f->label ? f : NULL;
}

/* Each file is read once: that ends loops, and files that include each other over and over. */
static bool
was_read(struct load *l, const struct source_file *file, const struct place *from)
{
	const struct source_file *f;
	const char *what = "was included already";

	for (f = file->parent; f; f = f->parent) {
		if (f->dev == file->dev && f->ino == file->ino)
			what = "includes itself in a loop";
	}
	for (size_t i = 0; i < l->raw.files_len; i++) {
		f = l->raw.files[i];
		if (f == file || f->dev != file->dev || f->ino != file->ino)
			continue;
		load_error(l, from, "include: %s %s; remove one of the two", f->label, what);
		return true;
	}
	return false;
}

static int
read_error(struct load *l, const struct source_file *file, const struct place *from, int code,
    const struct err *e)
{
	struct place whole = {.file = file};

	if (code == -ENOMEM)
		l->no_memory = true;
	else if (from)
		load_error(l, from, "include: %s %s", file->path, e->text);
	else
		load_error(l, &whole, "%s", e->text);
	return code;
}

int
reader_load_file(struct load *l, const char *path, const char *label,
    const struct source_file *parent, const struct place *from)
{
	struct source_file *file = add_file(l, path, label, parent);
	struct reader r = {.load = l, .file = file};
	struct err e = {0};
	char *data;
	size_t len;
	int code;

	if (!file)
		return read_error(l, NULL, NULL, -ENOMEM, NULL);
	code = file_read(path, l->src->check_owner, &data, &len, &file->dev, &file->ino, &e);
	if (code == 0 && len == 0) {
		mem_free(data);
		code = err_set(&e, -EINVAL, "is empty; see brood.conf(5) for what to put there");
	}
	if (code)
		return read_error(l, file, from, code, &e);
	if (!from || !was_read(l, file, from)) {
		r.at = data;
		r.end = data + len;
		if (len >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0)
			r.at += 3;
		if (ini_parse_stream(on_read, &r, on_entry, &r) == -2)
			l->no_memory = true;
	}
	mem_free(data);
	return l->no_memory ? -ENOMEM : 0;
}
