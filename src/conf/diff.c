/*
 * diff: which keys of two versions of an app differ. Compares what they would be written as, so
 * that a new row of the schema can't be forgotten here. Must not decide what follows from it.
 */
#include <string.h>

#include "base/str.h"
#include "conf/internal.h"

static bool
same_env(const struct conf_app *a, const struct conf_app *b)
{
	if (a->env_len != b->env_len)
		return false;
	for (size_t i = 0; i < a->env_len; i++) {
		if (strcmp(a->env[i].name, b->env[i].name) != 0 ||
		    strcmp(a->env[i].value, b->env[i].value) != 0)
			return false;
	}
	return true;
}

/* Without memory a key counts as different: a reload too many is harmless. */
static bool
same_key(const struct key *key, const struct conf_app *a, const struct conf_app *b)
{
	struct str one = {0}, other = {0};
	bool same;

	key->type->print(key, a, &one);
	key->type->print(key, b, &other);
	same = !str_failed(&one) && !str_failed(&other) &&
	       strcmp(str_text(&one), str_text(&other)) == 0;
	str_free(&one);
	str_free(&other);
	return same;
}

size_t
conf_app_diff(const struct conf_app *a, const struct conf_app *b, struct str *out)
{
	size_t n = 0;

	for (size_t i = 0; i < schema_len; i++) {
		if (schema[i].section != SECTION_APP || same_key(&schema[i], a, b))
			continue;
		str_addf(out, "%s%s", n++ > 0 ? ", " : "", schema[i].name);
	}
	if (!same_env(a, b))
		str_addf(out, "%s%s", n++ > 0 ? ", " : "", "env");
	return n;
}
