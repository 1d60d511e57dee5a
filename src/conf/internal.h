/*
 * internal: what the files of this room share while one configuration is being loaded. Nobody
 * outside src/conf includes it.
 *
 * The way of a file: file.c reads it in one go; reader.c cuts it into lines, refuses what is no
 * text, and feeds inih with short stand-ins; parse.c collects what inih calls back for into
 * struct raw and then turns that into structs with the schema's types; check.c looks across
 * fields. Each step goes on after an error, so that all of them are listed.
 */
#ifndef BROOD_CONF_INTERNAL_H
#define BROOD_CONF_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "conf/conf.h"

struct err;
struct load;
struct str;

#define FILE_SIZE_MAX     (1024 * 1024)
#define LINE_MAX_BYTES    (64 * 1024)
#define SECTION_LEN_MAX   52 /* "app:" and a name */
#define SECTIONS_MAX      1024
#define ENV_MAX           4096 /* variables of one app */
#define INCLUDE_DEPTH_MAX 8
#define ERRORS_MAX        100
#define KEYS_MAX          64 /* rows of the schema, at most */

/* A file of the configuration. Lives as long as the load. */
struct source_file {
	char *path;
	char *label; /* for messages */
	dev_t dev;
	ino_t ino;
	const struct source_file *parent; /* whose include it is, or NULL */
	unsigned depth;
};

struct place {
	const struct source_file *file;
	unsigned line, col; /* from 1; line 0 = the file as a whole */
};

enum section_kind { SECTION_MASTER, SECTION_APP, SECTION_ENV, SECTION_BAD, SECTION_KIND_MAX };

struct raw_section {
	enum section_kind kind;
	char *text; /* "app:web" */
	struct place at;
	struct conf_app *app; /* SECTION_APP */
	size_t seen[KEYS_MAX]; /* by row of the schema: entry that set it, plus 1 */
};

#define SECTION_TOP SIZE_MAX /* before any section */

struct raw_entry {
	size_t section; /* index, or SECTION_TOP */
	char *key, *value;
	struct place at, value_at;
};

struct raw {
	struct raw_section *sections;
	size_t sections_len, sections_cap;
	struct raw_entry *entries;
	size_t entries_len, entries_cap;
	struct source_file **files;
	size_t files_len, files_cap;
};

struct load {
	const struct conf_source *src;
	struct conf_errors *errs;
	struct place said[ERRORS_MAX]; /* where each of errs->text is */
	bool no_memory; /* all that follows is moot */
	struct raw raw;
	struct conf *conf;
};

/* One value on its way into a field. */
struct value {
	struct load *load;
	const struct key *key;
	const struct raw_entry *entry; /* NULL: it is the key's default */
	const char *text; /* expanded and trimmed; as written for keys that are `raw` */
	void *base; /* struct conf_app or struct conf_master */
};

struct key_type {
	const char *name;
	/* 0; -EINVAL, said already by value_error(); -ENOMEM. */
	int (*parse)(const struct value *v);
	/* Appends the value as it would be written; nothing when it is not set. Several values of
	 * a key that repeats are separated by newlines. */
	void (*print)(const struct key *key, const void *base, struct str *out);
};

/* One row of the schema: the only place that knows a key. */
struct key {
	enum section_kind section;
	const char *name;
	const struct key_type *type;
	size_t offset; /* of the field, or of the first of several */
	const char *def; /* NULL: not set */
	uint64_t min, max; /* what is counted in `unit` below */
	const char *const *choices; /* TYPE choice: names by value, NULL-terminated */
	bool fixed; /* a reload does not apply it */
	bool repeats;
	bool raw; /* the type expands ${VAR} itself */
	const char *sample; /* shown in the sample when there is no default */
	const char *help;
};

/* schema.c */
extern const struct key schema[];
extern const size_t schema_len;
/* Row of a key, or schema_len. */
size_t schema_find(enum section_kind section, const char *name);
const char *schema_section_name(enum section_kind section);

/* value.c, list.c, special.c: the types. */
extern const struct key_type type_text, type_name, type_path, type_bool, type_count, type_integer,
    type_duration, type_size, type_bytes, type_limit, type_choice, type_octal, type_signal;
extern const struct key_type type_argv, type_workers, type_listen, type_ready, type_codes,
    type_rate, type_log, type_affinity, type_env_file, type_include, type_probe;
/* "FILE:LINE:COL: key = value: text". Always returns -EINVAL. */
int value_error(const struct value *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Replaces *field by a copy. 0 or -ENOMEM. */
int set_text(char **field, const char *text);
/* Appends text with `$` doubled where it would be taken for a variable. */
void add_dollar_escaped(struct str *out, const char *text);

/* error.c: "FILE:LINE:COL: text" into load->errs, which is kept in the order of lines. */
void load_error(struct load *l, const struct place *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* file.c. A regular file in one read; *ret_data is terminated. On error e says what and what to
 * do. ret_dev and ret_ino may be NULL. */
int file_read(const char *path, bool check_owner, char **ret_data, size_t *ret_len, dev_t *ret_dev,
    ino_t *ret_ino, struct err *e);

/* reader.c: reads file into load->raw, included ones too. 0 or a negative errno of reading the
 * file; what is wrong inside goes to load->errs. from: the include's place, or NULL. */
int reader_load_file(struct load *l, const char *path, const char *label,
    const struct source_file *parent, const struct place *from);
/* include.c: reads all files that an include names. */
void include_files(struct load *l, const struct raw_entry *entry);
/* A path that a file names, relative to that file. NULL without memory. */
char *path_beside(const char *file, const char *path);

/* addr.c. 0, -EINVAL with the reason in e, or -ENOMEM. listen_done() frees the members. */
int listen_parse(const char *text, struct conf_listen *ret, struct err *e);
void listen_done(struct conf_listen *l);
/* Whether the kernel would let only one of them be. */
bool listen_overlaps(const struct conf_listen *a, const struct conf_listen *b);

/* expand.c: ${VAR}, ${VAR:-x}, $$. 0, -EINVAL with the reason in e and *ret_at, or -ENOMEM. */
int expand_variables(
    const char *text, char *const *environ, struct str *out, size_t *ret_at, struct err *e);
const char *environ_get(char *const *environ, const char *name, size_t len);

/* env.c */
int env_set(struct conf_app *app, const char *name, const char *value); /* 0, -ENOMEM, -E2BIG */
bool env_name_is_valid(const char *name);
int env_load_file(const struct value *v, const char *path);
/* A value of [env:NAME] as written becomes what the worker gets. */
void env_take_entry(struct load *l, struct conf_app *app, const struct raw_entry *entry);
void env_add_value(struct str *out, const char *value);

/* parse.c: struct raw becomes load->conf. */
void parse_raw(struct load *l);
/* check.c */
void check_conf(struct load *l);

/* conf.c */
void conf_app_free(struct conf_app *app);

/* Room for one more of size in *items. 0 or -ENOMEM. */
int grow(void *items, size_t *cap, size_t len, size_t size);

#endif
