/*
 * einhorn: see the header. Of YAML this is as much as clients write: a mapping of plain or quoted
 * words, one a line. They escape as they like: Einhorn's own its % and newline, others as in URLs.
 */
#include "ipc/einhorn.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "ipc/jsontext.h"

/* A piece of text that is somebody else's. */
struct piece {
	const char *at;
	size_t len;
};

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t
unescape(const char *line, size_t len, char *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int high = line[i] == '%' && len - i > 2 ? hex_digit(line[i + 1]) : -1;
		int low = high >= 0 ? hex_digit(line[i + 2]) : -1;

		ret[n++] = low >= 0 ? (char)(high * 16 + low) : line[i];
		i += low >= 0 ? 2 : 0;
	}
	return n;
}

static struct piece
trim(struct piece p)
{
	while (p.len > 0 && isspace((unsigned char)p.at[0]))
		p = (struct piece){p.at + 1, p.len - 1};
	while (p.len > 0 && isspace((unsigned char)p.at[p.len - 1]))
		p.len--;
	return p;
}

static struct piece
unquote(struct piece p)
{
	if (p.len >= 2 && (p.at[0] == '"' || p.at[0] == '\'') && p.at[p.len - 1] == p.at[0])
		return (struct piece){p.at + 1, p.len - 2};
	return p;
}

static bool
is(struct piece p, const char *text)
{
	return p.len == strlen(text) && memcmp(p.at, text, p.len) == 0;
}

static enum einhorn_command
command_of(struct piece name)
{
	if (is(name, "worker:ack"))
		return EINHORN_ACK;
	return is(name, "worker:ping") ? EINHORN_PING : EINHORN_OTHER;
}

static void
on_member(void *arg, const struct json_member *m)
{
	struct piece *command = arg;

	if (is((struct piece){m->key, m->key_len}, "command"))
		*command = unquote((struct piece){m->value, m->value_len});
}

static struct piece
find_in_json(struct piece text)
{
	struct piece command = {0};

	if (!json_text_scan(text.at, text.len, on_member, &command))
		command.len = 0;
	return command;
}

/* The value of a line "command: value", with nothing before it. */
static bool
take_yaml_line(struct piece line, struct piece *ret)
{
	const char *colon = memchr(line.at, ':', line.len);
	size_t key_len = colon ? (size_t)(colon - line.at) : 0;

	if (!colon || !is(unquote((struct piece){line.at, key_len}), "command") ||
	    line.len < key_len + 2 || !isblank((unsigned char)colon[1]))
		return false;
	*ret = unquote(trim((struct piece){colon + 1, line.len - key_len - 1}));
	return true;
}

static struct piece
find_in_yaml(struct piece text)
{
	struct piece command = {0};

	while (text.len > 0) {
		const char *end = memchr(text.at, '\n', text.len);
		size_t len = end ? (size_t)(end - text.at) : text.len;

		if (take_yaml_line((struct piece){text.at, len}, &command))
			break;
		len += end != NULL;
		text = (struct piece){text.at + len, text.len - len};
	}
	return command;
}

enum einhorn_command
einhorn_decode(const char *line, size_t len)
{
	char buf[EINHORN_LINE_MAX];
	struct piece text = {buf, 0}, command;

	if (len > sizeof(buf))
		return EINHORN_OTHER;
	text.len = unescape(line, len, buf);
	text = trim(text);
	command = text.len > 0 && text.at[0] == '{' ? find_in_json(text) : find_in_yaml(text);
	return command.len > 0 ? command_of(command) : EINHORN_OTHER;
}
