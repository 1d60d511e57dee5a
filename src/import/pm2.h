/*
 * pm2: what the parts of the importer share. No one else's business.
 */
#ifndef BROOD_IMPORT_PM2_H
#define BROOD_IMPORT_PM2_H

#include <jansson.h>
#include <stdbool.h>

#include "base/str.h"
#include "import/draft.h"
#include "import/import.h"

#define PM2_DAY_MS 86400000LL

enum how { HOW_READ, HOW_SILENT, HOW_NOTE };

struct pm2_key {
	const char *name;
	const char *aliases[4]; /* beside its own form in camelCase */
	enum how how;
	const char *text, *remedy; /* HOW_NOTE */
};

/* An app on its way. */
struct pm2 {
	struct import *im;
	const json_t *app;
	const json_t *deploy_env; /* of --env, or NULL */
	struct about at;
	char *directory;
	struct str from; /* of the key at hand */
	bool cluster, is_node; /* is_node: after launchers were resolved */
	bool runs_node; /* the interpreter is node */
	long instances; /* 0: auto; below: auto less so many */
	long long min_uptime_ms;
	bool failed_script;
};

#define NOTE(p, key_, remedy, ...)                                      \
	do {                                                            \
		struct about at_ = pm2_about(p, key_);                  \
		draft_note(&(p)->im->draft, &at_, remedy, __VA_ARGS__); \
	} while (0)
#define KEY(p, from_, ...) draft_key(&(p)->im->draft, (p)->at.app, from_, __VA_ARGS__)

/* pm2_value.c */
bool pm2_is_true(const json_t *v); /* as JavaScript sees it */
bool pm2_is_given(const json_t *v);
const struct pm2_key *pm2_find_key(const char *name); /* by any of its names */
/* The value that counts, and the name under which it stands. */
const json_t *pm2_get_named(const struct pm2 *p, const char *name, const char **ret_name);
const json_t *pm2_get(const struct pm2 *p, const char *name);
/* A number, or the one that a string begins with; fallback for anything else. */
long long pm2_whole(const json_t *v, long long fallback);
bool pm2_get_number(const struct pm2 *p, const char *name, long long *ret);
/* The string, or NULL: none, or (noted) one that cannot be used. */
const char *pm2_get_text(const struct pm2 *p, const char *name);
void pm2_add_scalar(struct str *out, const json_t *v); /* as String() */
/* "kill_timeout: 3000", of up to three keys; good until the next call. */
const char *pm2_from(struct pm2 *p, const char *a, const char *b, const char *c);
struct about pm2_about(const struct pm2 *p, const char *key);
void pm2_add_duration(struct pm2 *p, const char *from, const char *key, long long ms);

/* pm2_run.c; the command comes first, then the mode, which is not known before */
void pm2_add_command(struct pm2 *p, const char *script);
void pm2_read_mode(struct pm2 *p);
void pm2_add_workers(struct pm2 *p);
void pm2_add_mode(struct pm2 *p);

/* pm2_life.c */
long long pm2_get_uptime(const struct pm2 *p);
void pm2_add_ready(struct pm2 *p);
void pm2_add_stop(struct pm2 *p);
void pm2_add_restart(struct pm2 *p);
void pm2_add_log(struct pm2 *p);
void pm2_add_environment(struct pm2 *p);

#endif
