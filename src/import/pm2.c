/*
 * pm2: ecosystem files of PM2 7: apps, one by one, and what else is in them. What a key is
 * called there and when it counts follows PM2's own reader; what becomes of it follows
 * brood.conf(5).
 */
#include "import/pm2.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/words.h"

static void
note_rest(struct pm2 *p)
{
	const char *member, *namespace = pm2_get_text(p, "namespace");
	json_t *v;

	if (namespace && strcmp(namespace, "default") != 0)
		NOTE(p, "namespace", "put it into the app's name, or run a master for each",
		    "brood has no groups of apps");
	json_object_foreach((json_t *)p->app, member, v)
	{
		const struct pm2_key *k = pm2_find_key(member);

		if (!k && strncmp(member, "env_", 4) != 0)
			NOTE(p, member, "look for a spelling mistake",
			    "PM2 does not know this key either");
		else if (k && k->how == HOW_NOTE && pm2_is_true(v) &&
		         !(json_is_string(v) && strcmp(json_string_value(v), "0") == 0))
			NOTE(p, member, k->remedy, "%s", k->text);
	}
}

static void
add_user(struct pm2 *p)
{
	static const char *const names[2][2] = {{"uid", "user"}, {"gid", "group"}};

	for (int i = 0; i < 2; i++) {
		const json_t *v = pm2_get(p, names[i][0]);
		struct about at = pm2_about(p, names[i][0]);
		struct str text = {0};

		if (!pm2_is_given(v) || (json_is_string(v) && !*json_string_value(v)))
			continue;
		pm2_add_scalar(&text, v);
		if (draft_is_text(str_text(&text), text.len))
			draft_text(&p->im->draft, &at, pm2_from(p, names[i][0], NULL, NULL),
			    names[i][1], str_text(&text));
		p->im->draft.failed |= str_failed(&text);
		str_free(&text);
	}
}

/* The script's base name without extension, as PM2 does. mem_alloc. */
static char *
default_name(const char *script)
{
	char *name = mem_strdup(path_base(script)), *dot;

	dot = name ? strrchr(name, '.') : NULL;
	if (dot && dot > name)
		*dot = '\0';
	return name;
}

/* What the app is called in notes, too. mem_alloc; NULL without memory. */
static char *
make_name(struct pm2 *p, const char *script)
{
	const json_t *v = pm2_get(p, "name");
	struct str name = {0};

	if (pm2_is_true(v))
		pm2_add_scalar(&name, v);
	else {
		char *own = default_name(script ? script : "app");

		str_add(&name, own ? own : "");
		name.failed |= !own;
		mem_free(own);
	}
	if (p->im->environment && pm2_is_true(pm2_get(p, "append_env_to_name")))
		str_addf(&name, "-%s", p->im->environment);
	if (!str_failed(&name))
		return name.data;
	p->im->draft.failed = true;
	str_free(&name);
	return NULL;
}

static void
fill_app(struct pm2 *p, const char *script)
{
	const char *cwd = pm2_get_text(p, "cwd");
	struct about at = pm2_about(p, "cwd");

	p->directory = import_path(p->im->directory, cwd ? cwd : "");
	if (!p->directory) {
		p->im->draft.failed = true;
		return;
	}
	p->min_uptime_ms = pm2_get_uptime(p);
	draft_text(&p->im->draft, &at, cwd ? pm2_from(p, "cwd", NULL, NULL) : "where the file is",
	    "directory", p->directory);
	pm2_add_command(p, script);
	pm2_read_mode(p);
	pm2_add_workers(p);
	KEY(p, "NODE_APP_INSTANCE, pm_id, name, \"ready\", \"shutdown\", and SIGINT to stop",
	    "compat", "pm2");
	pm2_add_mode(p);
	pm2_add_ready(p);
	pm2_add_stop(p);
	pm2_add_restart(p);
	pm2_add_log(p);
	add_user(p);
	pm2_add_environment(p);
	note_rest(p);
}

static void
take_app(struct import *im, const json_t *app, size_t index, const json_t *deploy_env)
{
	struct pm2 p = {.im = im, .app = app, .deploy_env = deploy_env};
	const char *script = json_is_object(app) ? pm2_get_text(&p, "script") : NULL;
	char *name = json_is_object(app) ? make_name(&p, script) : NULL;
	char place[32];

	(void)snprintf(place, sizeof(place), "apps[%zu]", index);
	p.at = (struct about){.name = script && name ? name : place};
	if (!script)
		NOTE(&p, "script", "write one", "left out: it has no script to run");
	else if (strcmp(script, "serve") == 0)
		NOTE(&p, "script", "let a web server such as nginx serve the files",
		    "left out: `serve` is a file server within PM2");
	else if (name) {
		p.at.app = draft_add_app(&im->draft, &p.at);
		if (p.at.app)
			fill_app(&p, script);
		if (p.failed_script)
			KEY(&p, "a line that could not be read stood here", "command",
			    "/bin/false");
	}
	str_free(&p.from);
	mem_free(p.directory);
	mem_free(name);
}

/* --env that nobody knows. */
static void
note_environment(struct import *im, const json_t *apps)
{
	struct about at = {.key = "env"};
	struct str member = {0};
	bool found = false;
	const json_t *app;
	size_t i;

	str_addf(&member, "env_%s", im->environment);
	im->draft.failed |= str_failed(&member);
	found = json_object_get(apps, str_text(&member)) != NULL;
	json_array_foreach(apps, i, app)
	{
		found |= json_object_get(app, str_text(&member)) != NULL;
	}
	if (!found)
		draft_note(&im->draft, &at, "see which env_ members there are",
		    "no app has %.100s, which --env asks for", str_text(&member));
	str_free(&member);
}

static void
note_sections(struct import *im, const json_t *root)
{
	struct about at = {.key = "deploy"};

	if (pm2_is_true(json_object_get(root, "deploy")))
		draft_note(&im->draft, &at,
		    "deploy as before, with `brood reload` where `pm2 reload` stood",
		    "brood does not deploy");
	at.key = "static";
	if (pm2_is_true(json_object_get(root, "static")))
		draft_note(&im->draft, &at, "let a web server such as nginx serve the files",
		    "left out: PM2's file server has no counterpart");
}

int
import_pm2(struct import *im, const json_t *root, struct err *e)
{
	const json_t *apps = json_object_get(root, "apps"), *deploy, *app;
	size_t i;

	if (!pm2_is_true(apps))
		apps = json_object_get(root, "pm2");
	if (!pm2_is_true(apps))
		apps = root;
	deploy = im->environment
	             ? json_object_get(
	                   json_object_get(json_object_get(root, "deploy"), im->environment), "env")
	             : NULL;
	if (json_is_array(apps)) {
		json_array_foreach(apps, i, app) take_app(im, app, i, deploy);
	} else if (json_is_object(apps))
		take_app(im, apps, 0, deploy);
	if (im->environment)
		note_environment(im, apps);
	note_sections(im, root);
	if (im->draft.failed)
		return -ENOMEM;
	if (im->draft.apps_len > 0)
		return 0;
	return err_set(e, -EINVAL, "%s: has no app with a script: is it an ecosystem file of PM2?",
	    im->draft.file);
}
