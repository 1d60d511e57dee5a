/*
 * shell: see the header. Must not expand anything and must not look at the system.
 */
#include "launcher/shell.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/words.h"

struct scan {
	const char *text, *at;
	const char *needs; /* the first reason */
	const char *last; /* where the last command begins */
	bool piped, compound, background; /* of the last one */
	bool at_start; /* the next word is a command's first */
	struct str word;
	const char *expands; /* the word at hand has something that a shell replaces */
};

static void
need(struct scan *s, const char *why)
{
	if (!s->needs)
		s->needs = why;
}

static const char *
dollar(const char *p)
{
	if (p[1] == '(')
		return "a command in $( )";
	if ((p[1] >= 'a' && p[1] <= 'z') || (p[1] >= 'A' && p[1] <= 'Z') ||
	    (p[1] && strchr("_{0123456789?!@*#$-'\"", p[1])))
		return "a variable";
	return NULL;
}

static const char pattern[] = "a pattern of file names";

/* A pattern counts least: the value of a variable may have one. */
static void
note_expansion(struct scan *s, const char *why)
{
	if (why && (!s->expands || s->expands == pattern))
		s->expands = why;
}

static int
scan_double_quoted(struct scan *s)
{
	for (const char *p = s->at; *p; p++) {
		if (*p == '"') {
			s->at = p + 1;
			return 0;
		}
		if (*p == '\\' && p[1] && strchr("$`\"\\", p[1]))
			p++;
		else if (*p == '$')
			note_expansion(s, dollar(p));
		else if (*p == '`')
			note_expansion(s, "a command in backquotes");
		str_add_char(&s->word, *p);
	}
	return -EINVAL;
}

/* $( ), ${ } and ` `: what is inside belongs to the word, blanks and all. s->at is behind the first
 * character. */
static int
scan_substitution(struct scan *s, char open, char close)
{
	const char *p = s->at + (open != close);
	unsigned depth = 1;

	for (; *p && depth > 0; p++) {
		if (*p == close)
			depth--;
		else if (*p == open)
			depth++;
	}
	if (depth > 0)
		return -EINVAL;
	str_add_n(&s->word, s->at, (size_t)(p - s->at));
	s->at = p;
	return 0;
}

/* One character, or a quoted part, of a word. */
static int
scan_part(struct scan *s, bool first)
{
	char c = *s->at++;

	switch (c) {
	case '\'': {
		const char *end = strchr(s->at, '\'');

		if (!end)
			return -EINVAL;
		str_add_n(&s->word, s->at, (size_t)(end - s->at));
		s->at = end + 1;
		return 0;
	}
	case '"':
		return scan_double_quoted(s);
	case '\\':
		if (!*s->at)
			return -EINVAL;
		c = *s->at++;
		break;
	case '$':
		note_expansion(s, dollar(s->at - 1));
		str_add_char(&s->word, c);
		if (*s->at == '(' || *s->at == '{')
			return scan_substitution(s, *s->at, *s->at == '(' ? ')' : '}');
		return 0;
	case '`':
		note_expansion(s, "a command in backquotes");
		str_add_char(&s->word, c);
		return scan_substitution(s, '`', '`');
	case '*':
	case '?':
	case '[':
		note_expansion(s, pattern);
		break;
	case '~':
		if (first)
			note_expansion(s, "~");
		break;
	}
	str_add_char(&s->word, c);
	return 0;
}

static bool
ends_word(char c)
{
	return c == '\0' || words_is_blank(c) || strchr("|&;<>()", c);
}

/* Reads a word into s->word, s->expands. */
static int
scan_word(struct scan *s)
{
	const char *begin = s->at;

	str_reset(&s->word);
	s->expands = NULL;
	while (!ends_word(*s->at)) {
		if (scan_part(s, s->at == begin) < 0)
			return -EINVAL;
	}
	return 0;
}

/* Length of NAME in "NAME=...", or 0. */
static size_t
assigned_name(const char *word)
{
	size_t n = 0;

	while ((word[n] >= 'a' && word[n] <= 'z') || (word[n] >= 'A' && word[n] <= 'Z') ||
	       word[n] == '_' || (n > 0 && word[n] >= '0' && word[n] <= '9'))
		n++;
	return word[n] == '=' ? n : 0;
}

/* What makes more than a list of simple commands, and what a shell does itself. */
static const char *const compounds[] = {"if", "for", "while", "until", "case", "{", "!", "function",
    "time", "[[", "then", "do", "else", "fi", "done", "esac", "}", NULL};
static const char *const builtins[] = {"cd", ".", "source", "export", "set", "unset", "ulimit",
    "umask", "eval", "trap", "alias", "read", ":", "wait", "command", "shift", "exit", "test", "[",
    NULL};

static void
next_command(struct scan *s, const char *why)
{
	need(s, why);
	while (words_is_blank(*s->at))
		s->at++;
	if (!*s->at || *s->at == '#')
		return;
	s->last = s->at;
	s->piped = s->background = false;
	s->at_start = true;
}

static void
scan_operator(struct scan *s)
{
	char c = *s->at++;

	switch (c) {
	case '|':
		if (*s->at == '|') {
			s->at++;
			next_command(s, "||");
			break;
		}
		need(s, "a pipe");
		s->piped = s->at_start = true;
		break;
	case '&':
		if (*s->at == '&') {
			s->at++;
			next_command(s, "&&");
			break;
		}
		s->background = true;
		next_command(s, "& (in the background)");
		break;
	case ';':
		next_command(s, ";");
		break;
	case '\n':
		next_command(s, "a second line");
		break;
	case '<':
	case '>':
		need(s, "a redirection");
		while (*s->at && strchr("<>&|", *s->at))
			s->at++;
		break;
	default:
		need(s, "parentheses");
		s->compound = true;
		break;
	}
}

static void
take_word(struct scan *s, struct shell_line *l)
{
	bool is_first = s->at_start;
	size_t name = is_first ? assigned_name(str_text(&s->word)) : 0;
	const char *word = str_text(&s->word);

	if (s->expands && !(name && s->expands == pattern))
		need(s, s->expands);
	if (name && s->last == s->text && !s->piped) {
		words_add_n(&l->names, word, name);
		words_add(&l->values, word + name + 1);
	}
	if (name)
		return;
	if (is_first && word_is(word, compounds)) {
		need(s, "a compound command");
		s->compound = true;
	} else if (is_first && word_is(word, builtins))
		need(s, "a command of the shell itself");
	s->at_start = false;
	words_add_n(&l->words, word, s->word.len);
}

static int
scan_line(struct scan *s, struct shell_line *l)
{
	for (;;) {
		while (words_is_blank(*s->at) && *s->at != '\n')
			s->at++;
		if (!*s->at || *s->at == '#')
			break;
		if (strchr("\n|&;<>()", *s->at)) {
			scan_operator(s);
			continue;
		}
		if (scan_word(s) < 0)
			return -EINVAL;
		take_word(s, l);
	}
	return 0;
}

/* Puts exec before the last command, so that the shell becomes it: signals and LISTEN_PID are for
 * the process that was started. */
static void
make_script(struct scan *s, struct shell_line *l)
{
	struct str script = {0};
	const char *end = s->at, *command = s->last;
	bool exec;

	while (end > s->text && words_is_blank(end[-1]))
		end--;
	for (;;) {
		while (command < end && words_is_blank(*command))
			command++;
		s->at = command;
		str_reset(&s->word);
		if (command >= end || scan_word(s) < 0 || !assigned_name(str_text(&s->word)))
			break;
		command = s->at;
	}
	if (command > end)
		command = end;
	l->is_exec = !s->piped && !s->compound && !s->background && s->word.len > 0 &&
	             !word_is(str_text(&s->word), builtins) &&
	             !word_is(str_text(&s->word), compounds);
	exec = l->is_exec && strcmp(str_text(&s->word), "exec") != 0;
	str_add_n(&script, s->text, (size_t)(command - s->text));
	str_add(&script, exec ? "exec " : "");
	str_add_n(&script, command, (size_t)(end - command));
	l->script = script.data;
	l->words.failed |= str_failed(&script);
	if (!l->is_exec || !l->script)
		return;
	l->program = l->script + (command - s->text) + 5;
	l->program += strspn(l->program, " \t");
	l->program_len = strcspn(l->program, " \t");
}

static void
drop_first(struct words *w)
{
	mem_free(w->items[0]);
	memmove(w->items, w->items + 1, w->len * sizeof(*w->items)); /* the NULL, too */
	w->len--;
}

/* exec and env in front are done by who starts the program. */
static void
drop_starters(struct shell_line *l)
{
	struct words *w = &l->words;

	if (w->len > 1 && strcmp(w->items[0], "exec") == 0)
		drop_first(w);
	if (w->len < 3 || strcmp(w->items[0], "env") != 0 || !assigned_name(w->items[1]))
		return;
	drop_first(w);
	while (w->len > 1 && assigned_name(w->items[0])) {
		size_t n = assigned_name(w->items[0]);

		words_add_n(&l->names, w->items[0], n);
		words_add(&l->values, w->items[0] + n + 1);
		drop_first(w);
	}
}

/* "cd DIR && rest": the rest, with DIR noted; or text itself. */
static const char *
take_directory(const char *text, struct shell_line *l)
{
	struct scan s = {.text = text, .at = text};
	bool is_cd;

	while (words_is_blank(*s.at))
		s.at++;
	is_cd = scan_word(&s) == 0 && strcmp(str_text(&s.word), "cd") == 0;
	while (is_cd && (*s.at == ' ' || *s.at == '\t'))
		s.at++;
	is_cd =
	    is_cd && scan_word(&s) == 0 && s.word.len > 0 && s.word.data[0] != '-' && !s.expands;
	while (is_cd && words_is_blank(*s.at))
		s.at++;
	if (is_cd && s.at[0] == '&' && s.at[1] == '&') {
		words_add_n(&l->directory, s.word.data, s.word.len);
		text = s.at + 2;
	}
	str_free(&s.word);
	return text;
}

int
shell_line_parse(const char *text, struct shell_line *ret)
{
	struct shell_line l = {0};
	struct scan s = {0};
	int r;

	text = take_directory(text, &l);
	while (words_is_blank(*text))
		text++;
	s = (struct scan){.text = text, .at = text, .last = text, .at_start = true};
	r = scan_line(&s, &l);
	if (r == 0 && s.needs) {
		l.needs = s.needs;
		words_free(&l.names);
		words_free(&l.values);
		words_free(&l.words);
		make_script(&s, &l);
	} else if (r == 0)
		drop_starters(&l);
	if (s.word.failed || l.names.failed || l.values.failed || l.words.failed ||
	    l.directory.failed)
		r = -ENOMEM;
	str_free(&s.word);
	if (r < 0)
		shell_line_free(&l);
	else
		*ret = l;
	return r;
}

void
shell_line_free(struct shell_line *l)
{
	words_free(&l->names);
	words_free(&l->values);
	words_free(&l->words);
	words_free(&l->directory);
	mem_free(l->script);
	*l = (struct shell_line){0};
}
