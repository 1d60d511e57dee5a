/*
 * run: see the header.
 */
#include "launcher/run.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "launcher/files.h"
#include "launcher/package.h"

bool
run_add_arguments(struct trail *t, const struct habits *h, struct words *next, size_t args)
{
	const struct words *w = &t->words;

	for (size_t i = args; i < w->len; i++) {
		if (strcmp(w->items[i], "--") == 0) {
			words_add_from(next, w, i + 1);
			return true;
		}
		if (w->items[i][0] == '-' && !(h && h->hands_on)) {
			t->why = "its options are not understood";
			return false;
		}
		words_add(next, w->items[i]);
	}
	return true;
}

/* Notes preX or postX down if there is one. */
static void
note_hook(struct trail *t, struct words *hooks, const char *when, const char *name)
{
	struct str hook = {0};

	str_addf(&hook, "%s%s", when, name);
	if (str_failed(&hook))
		hooks->failed = true;
	else if (package_has_script(t->files, t->directory, hook.data))
		words_add(hooks, hook.data);
	str_free(&hook);
}

enum step
run_script(
    struct trail *t, const struct habits *h, const char *name, size_t args, struct words *next)
{
	char *text = package_script(t->files, t->directory, name);
	bool good;

	words_free(next);
	if (text) {
		good = trail_add_line(t, next, text);
	} else {
		t->why = "package.json has no such script, or is not there";
		good = h && h->starts_server && strcmp(name, "start") == 0 &&
		       files_has(t->files, t->directory, "server.js");
		words_add(next, "node");
		words_add(next, "server.js");
	}
	if (h) {
		note_hook(t, h->runs_before ? &t->before : &t->beside, "pre", name);
		note_hook(t, &t->beside, "post", name);
	}
	mem_free(text);
	return good && run_add_arguments(t, h, next, args) ? STEP_ON : STEP_LOST;
}
