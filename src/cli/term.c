/*
 * term: colour, escaping, tables.
 */
#include "cli/term.h"

#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/str.h"

static const char *const tints[TINT_MAX] = {
    [TINT_NONE] = "",
    [TINT_GOOD] = "\033[32m",
    [TINT_WARN] = "\033[33m",
    [TINT_BAD] = "\033[31m",
    [TINT_DIM] = "\033[2m",
    [TINT_BOLD] = "\033[1m",
};

static bool
wants_color(enum term_color_mode mode, int fd)
{
	const char *no_color = getenv("NO_COLOR"), *name = getenv("TERM");

	if (mode != TERM_COLOR_AUTO)
		return mode == TERM_COLOR_ALWAYS;
	return isatty(fd) && !(no_color && *no_color) && name && strcmp(name, "dumb") != 0;
}

void
term_init(struct term *t, enum term_color_mode mode)
{
	const char *name = getenv("TERM");
	struct winsize size;

	*t = (struct term){.width = 80, .height = 24};
	t->color = wants_color(mode, STDOUT_FILENO);
	t->color_err = wants_color(mode, STDERR_FILENO);
	t->live = isatty(STDOUT_FILENO) && name && strcmp(name, "dumb") != 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
		t->width = size.ws_col;
		t->height = size.ws_row;
	}
}

const char *
term_on(bool color, enum tint tint)
{
	return color ? tints[tint] : "";
}

const char *
term_off(bool color)
{
	return color ? "\033[0m" : "";
}

const char *
term_on_name(bool color, const char *name, int slot)
{
	static const char *const palette[] = {
	    "\033[36m", "\033[35m", "\033[34m", "\033[32m", "\033[33m", "\033[96m"};
	unsigned h = (unsigned)slot;

	for (; *name; name++)
		h = h * 31 + (unsigned char)*name;
	return color ? palette[h % (sizeof(palette) / sizeof(palette[0]))] : "";
}

void
term_put_n(FILE *f, const char *text, size_t len)
{
	struct str s = {0};

	str_add_escaped(&s, text, len);
	if (s.len)
		(void)fwrite(s.data, 1, s.len, f);
	str_free(&s);
}

void
term_put(FILE *f, const char *text)
{
	term_put_n(f, text, strlen(text));
}

void
term_put_lines(FILE *f, const char *prefix, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		(void)fputs(prefix, f);
		term_put_n(f, text, len);
		(void)putc('\n', f);
		text += len;
		text += *text == '\n';
	}
}

void
term_add_cut(struct str *out, const char *text, size_t width)
{
	struct str s = {0};
	size_t at = 0, columns = 0;

	str_add_escaped(&s, text, strlen(text));
	/* A column for each code point is not exact for wide ones; a line that is cut too late would
	 * wrap, so the caller leaves some room. */
	while (at < s.len && columns < width) {
		size_t n = utf8_sequence(s.data + at, s.len - at);
		at += n ? n : 1;
		columns++;
	}
	str_add_n(out, str_text(&s), at);
	str_free(&s);
}

enum tint
term_state_tint(const char *state)
{
	static const struct {
		const char *state;
		enum tint tint;
	} meanings[] = {
	    {"ready", TINT_GOOD},
	    {"serving", TINT_GOOD},
	    {"parked", TINT_GOOD},
	    {"running", TINT_GOOD},
	    {"ok", TINT_GOOD},
	    {"limited", TINT_WARN},
	    {"missing", TINT_BAD},
	    {"starting", TINT_WARN},
	    {"idle", TINT_WARN},
	    {"reloading", TINT_WARN},
	    {"draining", TINT_WARN},
	    {"stopping", TINT_WARN},
	    {"degraded", TINT_WARN},
	    {"stalled", TINT_BAD},
	    {"drained", TINT_DIM},
	    {"backoff", TINT_BAD},
	    {"failed", TINT_BAD},
	    {"dead", TINT_BAD},
	    {"stale", TINT_BAD},
	    {"silent", TINT_BAD},
	    {"denied", TINT_BAD},
	    {"resting", TINT_DIM},
	    {"exited", TINT_DIM},
	};

	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strcmp(meanings[i].state, state) == 0)
			return meanings[i].tint;
	return TINT_NONE;
}

bool
term_has_room(const struct term *t, unsigned columns)
{
	return !t->live || t->width >= columns;
}

struct table {
	struct libscols_table *scols;
	struct libscols_line *line;
	size_t column;
};

struct table *
table_new(const struct term *t, const struct column *columns, size_t n)
{
	struct table *tb = calloc(1, sizeof(*tb));

	if (!tb)
		return NULL;
	tb->scols = scols_new_table();
	if (!tb->scols) {
		free(tb);
		return NULL;
	}
	(void)scols_table_enable_colors(tb->scols, t->color);
	/* A table in a pipe is for a program or a file: nothing is cut there. */
	if (!t->live)
		(void)scols_table_set_termforce(tb->scols, SCOLS_TERMFORCE_NEVER);
	(void)scols_table_set_column_separator(tb->scols, "  ");
	for (size_t i = 0; i < n; i++) {
		int flags =
		    (columns[i].right ? SCOLS_FL_RIGHT : 0) | (columns[i].cut ? SCOLS_FL_TRUNC : 0);
		struct libscols_column *cl = scols_table_new_column(
		    tb->scols, columns[i].name, columns[i].cut ? 0.9 : 0, flags);

		/* Texts come escaped already; smartcols would escape their backslashes again. */
		if (cl)
			(void)scols_column_set_safechars(cl, "\\");
	}
	return tb;
}

void
table_add_row(struct table *tb)
{
	if (!tb)
		return;
	tb->line = scols_table_new_line(tb->scols, NULL);
	tb->column = 0;
}

void
table_add_tinted(struct table *tb, enum tint tint, const char *text)
{
	struct str s = {0};

	if (!tb || !tb->line)
		return;
	str_add_escaped(&s, text, strlen(text));
	(void)scols_line_set_data(tb->line, tb->column, str_text(&s));
	if (tint != TINT_NONE)
		(void)scols_cell_set_color(scols_line_get_cell(tb->line, tb->column), tints[tint]);
	tb->column++;
	str_free(&s);
}

void
table_add(struct table *tb, const char *text)
{
	table_add_tinted(tb, TINT_NONE, text);
}

void
table_addf(struct table *tb, const char *fmt, ...)
{
	struct str s = {0};
	va_list ap;

	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	table_add(tb, str_text(&s));
	str_free(&s);
}

void
table_add_number(struct table *tb, bool shown, long long n)
{
	char text[24] = "";

	if (shown)
		(void)snprintf(text, sizeof(text), "%lld", n);
	table_add(tb, text);
}

void
table_print(struct table *tb)
{
	char *text = NULL;

	if (!tb)
		return;
	/* To a string first: smartcols writes through its own stream settings, and the lines it pads
	 * with blanks at the end are no use to anybody. */
	if (scols_print_table_to_string(tb->scols, &text) == 0 && text) {
		for (char *line = text; *line;) {
			size_t len = strcspn(line, "\n"), end = len;
			while (end > 0 && line[end - 1] == ' ')
				end--;
			(void)fwrite(line, 1, end, stdout);
			(void)putchar('\n');
			line += len;
			line += *line == '\n';
		}
	}
	free(text);
	scols_unref_table(tb->scols);
	free(tb);
}
