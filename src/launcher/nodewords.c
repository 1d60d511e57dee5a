/*
 * nodewords: see the header.
 */
#include "launcher/nodewords.h"

#include <string.h>

#include "base/words.h"

bool
nodewords_is_node(const char *name)
{
	name = path_base(name);
	if (word_begins(name, "nodejs"))
		name += 6;
	else if (word_begins(name, "node"))
		name += 4;
	else
		return false;
	return name[strspn(name, "0123456789.-")] == '\0';
}

bool
nodewords_takes_value(const char *option)
{
	static const char *const options[] = {"-r", "--require", "--import", "--loader",
	    "--experimental-loader", "-C", "--conditions", "--env-file", "--env-file-if-exists",
	    "--title", "--input-type", "--icu-data-dir", "--openssl-config", "--redirect-warnings",
	    "--inspect-port", "--trace-event-categories", "--max-http-header-size",
	    "--unhandled-rejections", "--dns-result-order", "--disable-warning", "--report-dir",
	    "--report-directory", "--report-filename", "--diagnostic-dir", "--tls-cipher-list",
	    "--localstorage-file", NULL};

	return word_is(option, options);
}

void
nodewords_add_option(struct words *next, const struct words *w, size_t *i)
{
	words_add(next, w->items[*i]);
	if (nodewords_takes_value(w->items[*i]) && *i + 1 < w->len)
		words_add(next, w->items[++*i]);
}
