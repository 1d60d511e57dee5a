/*
 * conf: one configuration from file to struct, and its life. Must not keep anything between two
 * loads: a reload starts from nothing, and a bad file leaves what is in force as it is.
 */
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "conf/internal.h"

int
grow(void *items, size_t *cap, size_t len, size_t size)
{
	size_t wanted = *cap ? *cap * 2 : 16;
	void **array = items, *grown;

	if (len < *cap)
		return 0;
	grown = mem_realloc(*array, wanted * size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*cap = wanted;
	return 0;
}

void
conf_app_free(struct conf_app *app)
{
	if (!app)
		return;
	for (size_t i = 0; i < app->listen_len; i++)
		listen_done(&app->listen[i]);
	for (size_t i = 0; i < app->env_len; i++) {
		mem_free(app->env[i].name);
		mem_free(app->env[i].value);
	}
	mem_free(app->listen);
	mem_free(app->env);
	mem_free(app->argv);
	mem_free(app->name);
	mem_free(app->directory);
	mem_free(app->user);
	mem_free(app->group);
	mem_free(app->cpu_affinity);
	mem_free(app->log_path);
	mem_free(app->ready_path);
	mem_free(app->probe_path);
	mem_free(app);
}

static void
conf_free(struct conf *c)
{
	for (size_t i = 0; i < c->apps_len; i++)
		conf_app_free(c->apps[i]);
	mem_free(c->apps);
	mem_free(c->path);
	mem_free(c->master.name);
	mem_free(c->master.run_dir);
	mem_free(c->master.log_path);
	mem_free(c->master.control_group);
	mem_free(c);
}

struct conf *
conf_ref(struct conf *c)
{
	c->refs++;
	return c;
}

void
conf_unref(struct conf *c)
{
	if (c && --c->refs == 0)
		conf_free(c);
}

static void
raw_done(struct raw *raw)
{
	for (size_t i = 0; i < raw->sections_len; i++)
		mem_free(raw->sections[i].text);
	for (size_t i = 0; i < raw->entries_len; i++) {
		mem_free(raw->entries[i].key);
		mem_free(raw->entries[i].value);
	}
	for (size_t i = 0; i < raw->files_len; i++) {
		mem_free(raw->files[i]->path);
		mem_free(raw->files[i]->label);
		mem_free(raw->files[i]);
	}
	mem_free(raw->sections);
	mem_free(raw->entries);
	mem_free(raw->files);
}

static bool
was_set(const struct load *l, enum section_kind kind, const char *key)
{
	size_t row = schema_find(kind, key);

	for (size_t i = 0; i < l->raw.sections_len; i++) {
		if (l->raw.sections[i].kind == kind && l->raw.sections[i].seen[row])
			return true;
	}
	return false;
}

static int
load_all(struct load *l)
{
	const struct conf_source *src = l->src;
	int r;

	l->conf->refs = 1;
	r = set_text(&l->conf->path, src->label ? src->label : src->path);
	l->conf->labelled = src->label != NULL;
	if (r == 0)
		r = reader_load_file(l, src->path, src->label, NULL, NULL);
	if (r)
		return r;
	parse_raw(l);
	if (!l->no_memory)
		check_conf(l);
	l->conf->master.exit_when_set = was_set(l, SECTION_MASTER, "exit_when");
	return 0;
}

int
conf_load(const struct conf_source *src, struct conf **ret_conf, struct conf_errors *errs)
{
	struct load l = {.src = src, .errs = errs};
	int r;

	l.conf = mem_calloc(1, sizeof(*l.conf));
	r = l.conf ? load_all(&l) : -ENOMEM;
	if (l.no_memory)
		r = -ENOMEM;
	else if (r == 0 && errs->len > 0)
		r = -EINVAL;
	raw_done(&l.raw);
	if (r == 0)
		*ret_conf = l.conf;
	else if (l.conf)
		conf_free(l.conf);
	return r;
}

const struct conf_app *
conf_find_app(const struct conf *c, const char *name)
{
	for (size_t i = 0; i < c->apps_len; i++) {
		if (strcmp(c->apps[i]->name, name) == 0)
			return c->apps[i];
	}
	return NULL;
}

unsigned
conf_app_workers(const struct conf_app *app, unsigned cpus)
{
	int64_t n = (int64_t)cpus * app->workers_mul + app->workers_add;

	if (!app->workers_auto)
		return app->workers_n;
	if (n < 1)
		return 1;
	return n > CONF_WORKERS_MAX ? CONF_WORKERS_MAX : (unsigned)n;
}
