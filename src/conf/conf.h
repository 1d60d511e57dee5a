/*
 * conf: one validated, read-only configuration.
 *
 * INI text becomes a struct conf in one go or not at all. Nothing here is changed after
 * conf_load() returned; a reload loads a second struct conf and compares. What needs the system
 * to be looked at (does the user exist, can the program be executed, is the port free) is not
 * decided here but when a generation is prepared (loop/launch).
 */
#ifndef BROOD_CONF_CONF_H
#define BROOD_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/log.h"

struct err;
struct str;

enum conf_exit_when { EXIT_WHEN_NEVER, EXIT_WHEN_ALL_FAILED, EXIT_WHEN_ALL_EXITED, EXIT_WHEN_MAX };
/* even, sticky and cpu are steered (core/steer); the master itself accepts for dispatch. */
enum conf_balance {
	BALANCE_SHARED,
	BALANCE_KERNEL,
	BALANCE_EVEN,
	BALANCE_STICKY,
	BALANCE_CPU,
	BALANCE_DISPATCH,
	BALANCE_MAX,
};
/* auto: node for a program of Node's, else fds; told apart when a generation is prepared. */
enum conf_take { TAKE_AUTO, TAKE_FDS, TAKE_STDIN, TAKE_NODE, TAKE_BIND, TAKE_MAX };
/* Whose habits the program has: what it finds in its environment, how it says that it is ready. */
enum conf_compat { COMPAT_NONE, COMPAT_PM2, COMPAT_EINHORN, COMPAT_SERVER_STARTER, COMPAT_MAX };
enum conf_relay { RELAY_NONE, RELAY_ALL, RELAY_MAX };
enum conf_tristate { TRI_AUTO, TRI_YES, TRI_NO, TRI_MAX };
enum conf_ready {
	READY_AUTO,
	READY_NOTIFY,
	READY_CHANNEL,
	READY_FD,
	READY_DELAY,
	READY_TCP, /* it accepts a connection of the master's */
	READY_HTTP, /* it answers one with a status of 200 to 399 */
	READY_LISTENING, /* it listens at an address of its own choice (take = node, bind) */
	READY_MAX,
};
/* auto: quiet where the app is steered and the worker has not spoken brood, else self. */
enum conf_drain { DRAIN_AUTO, DRAIN_SELF, DRAIN_QUIET, DRAIN_MAX };
enum conf_restart { RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_NEVER, RESTART_MAX };
enum conf_orphans { ORPHANS_LEAVE, ORPHANS_MAX };
enum conf_log_kind { LOG_TO_INHERIT, LOG_TO_PASS, LOG_TO_NONE, LOG_TO_FILE, LOG_TO_MAX };
enum conf_overflow { OVERFLOW_BLOCK, OVERFLOW_DROP, OVERFLOW_MAX };
enum conf_listen_kind { LISTEN_TCP, LISTEN_UNIX, LISTEN_UDP, LISTEN_KIND_MAX };

#define CONF_ID_NONE ((uint32_t)-1)     /* "not set" for unsigned numbers below */
#define CONF_LIMIT_NONE UINT64_MAX      /* "not set" for limits */
#define CONF_LIMIT_UNLIMITED (UINT64_MAX - 1) /* RLIM_INFINITY itself is CONF_LIMIT_NONE's number */
#define CONF_LISTENERS_MAX 32
#define CONF_WORKERS_MAX 4096
#define CONF_RESTART_LIMIT_MAX 64

/* One address that an app serves. */
struct conf_listen {
	char *text;			/* as written */
	char *key;			/* canonical address: the identity over reloads, e.g.
					 * "tcp:127.0.0.1:8080", "tcp:*:8080", "udp:[::1]:53",
					 * "unix:/run/web.sock" */
	enum conf_listen_kind kind;
	char *host;			/* numeric; "*" = dual stack; NULL for UNIX */
	uint16_t port;
	char *path;			/* UNIX only, absolute */
	int mode;			/* UNIX: permission bits, -1 = 0600 by default */
	char *owner, *group;		/* UNIX: names or numbers, or NULL */
	int backlog;			/* -1 = net.core.somaxconn */
	uint16_t as;			/* the port that a program asks for and gets this instead;
					 * 0 = its own */
	char *name;			/* for LISTEN_FDNAMES; never NULL (default: the port or the
					 * file's base name) */
};

struct conf_env {
	char *name, *value;
};

/* One app. Times in milliseconds. */
struct conf_app {
	char *name;
	int line;			/* of its section, for messages */
	char **argv;			/* NULL-terminated, argv[0] as written; %(slot) and the like
					 * still inside (conf_expand_worker()) */
	char *directory;		/* NULL = the master's */
	bool inherit_env;
	struct conf_env *env;		/* env_file first, then [env:NAME], ${VAR} expanded; names
					 * are unique, values are for conf_expand_worker() */
	size_t env_len;
	char *user, *group;		/* NULL = as the master */
	int umask;			/* -1 = inherited */
	uint64_t limit_nofile, limit_core; /* CONF_LIMIT_NONE = inherited; limit_core in bytes,
					 * "unlimited" = CONF_LIMIT_UNLIMITED */
	int nice;			/* INT_MIN = inherited */
	char *cpu_affinity;		/* NULL = inherited, "auto" = one CPU a slot, round robin, or
					 * a list "0-3,8" */
	int oom_score_adj;		/* INT_MIN = inherited */
	bool no_new_privs;
	/* workers = auto, auto*2, auto-1, N: count = auto ? cpus * mul + add : n, at least 1
	 * (0 allowed when given as a plain number: a paused app). */
	bool workers_auto;
	unsigned workers_mul;
	int workers_add;
	unsigned workers_n;
	struct conf_listen *listen;
	size_t listen_len;
	enum conf_balance balance;
	enum conf_take take;
	enum conf_tristate nonblocking;
	enum conf_compat compat;
	enum conf_relay relay;		/* application messages of one worker go to the others */
	bool node_preload;		/* take = node: a script of ours sees to the end of keep-alive */
	unsigned spares;		/* take = node: workers that wait to take over */
	enum conf_ready ready;
	int ready_fd;			/* READY_FD */
	uint64_t ready_delay_ms;	/* READY_DELAY */
	char *ready_path;		/* READY_HTTP, begins with a slash */
	uint64_t ready_timeout_ms;
	enum conf_drain drain;
	int stop_signal;
	uint64_t drain_delay_ms, stop_timeout_ms;
	int abort_signal;
	uint64_t abort_timeout_ms;
	enum conf_restart restart;
	uint8_t no_restart_codes[256];	/* 1 = that exit code means: do not restart */
	uint64_t restart_delay_ms, restart_delay_max_ms;
	unsigned restart_limit;		/* deaths before ready ... */
	uint64_t restart_window_ms;	/* ... within this time */
	unsigned crash_burst;
	uint64_t crash_refill_ms;
	unsigned max_surge, max_unavailable, max_generations;
	uint64_t stall_after_ms;	/* a queue that never got shorter for so long is stalled */
	uint64_t watchdog_ms;		/* stalled for so long: replaced by force; 0 = never */
	char *probe_path;		/* health probe by HTTP, NULL = none */
	uint64_t probe_interval_ms, probe_timeout_ms;
	unsigned probe_failures;	/* so many in a row: replaced gracefully */
	size_t message_max;
	enum conf_orphans orphans;
	enum conf_log_kind log;
	char *log_path;			/* LOG_TO_FILE */
	size_t log_line_max;
	enum conf_overflow log_overflow;
};

struct conf_master {
	char *name;			/* NULL: not set */
	char *run_dir;			/* NULL: default (sys/rundir) */
	enum conf_log_kind log;		/* inherit, none or file */
	char *log_path;
	enum log_level log_level;
	enum log_format log_format;
	char *control_group;		/* NULL: owner only */
	enum conf_exit_when exit_when;
	bool exit_when_set;
};

struct conf {
	unsigned refs;
	char *path;			/* as given to conf_load(), or the label */
	bool labelled;			/* it is a label: lines mean nothing to anybody */
	struct conf_master master;
	struct conf_app **apps;		/* in the order of the file */
	size_t apps_len;
};

/* What was wrong, all of it: "FILE:LINE:COL: text" each, or "LABEL: text". */
struct conf_errors {
	char **text;
	size_t len;
	size_t dropped;			/* beyond 100 */
};

struct conf_source {
	const char *path;		/* file to read; "/dev/fd/N" is allowed */
	const char *label;		/* shown instead of the path in messages, or NULL */
	char *const *environ;		/* for ${VAR} and WEB_CONCURRENCY */
	bool check_owner;		/* refuse a file that others may write (X4); set when root */
};

/* Reads, parses, checks. 0: *ret_conf has one reference. -ENOENT, -EISDIR, -EACCES, ... when
 * the file can't be read (errs has the line all the same), -EINVAL when its content is wrong:
 * *ret_conf is untouched, errs lists everything. errs must be zeroed; free it in all cases. */
int conf_load(const struct conf_source *src, struct conf **ret_conf, struct conf_errors *errs);
void conf_errors_free(struct conf_errors *errs);
struct conf *conf_ref(struct conf *c);
void conf_unref(struct conf *c);	/* NULL is fine */

/* An address that no file names, as listen = has it. NULL: wrong (e says how), or no memory. */
struct conf_listen *conf_listen_new(const char *text, struct err *e);
struct conf_listen *conf_listen_copy(const struct conf_listen *from);
void conf_listen_free(struct conf_listen *l);	/* NULL is fine */

const struct conf_app *conf_find_app(const struct conf *c, const char *name);
/* Number of slots that app asks for on a machine with `cpus` usable CPUs. */
unsigned conf_app_workers(const struct conf_app *app, unsigned cpus);

/* Replaces %(slot), %(app), %(generation) and %% in text. Caller frees. NULL without memory. */
char *conf_expand_worker(const char *text, const char *app, unsigned slot, unsigned generation);

/* What differs between two versions of an app: names of keys, comma-separated, into out.
 * Returns the number of differing keys. */
size_t conf_app_diff(const struct conf_app *a, const struct conf_app *b, struct str *out);

/* Prints what was understood as INI that loads back to the same (broodd -T, brood config).
 * all: also the keys that have their default. Values of [env:] are shown as "***" unless
 * secrets is set. */
void conf_print(const struct conf *c, bool all, bool secrets, struct str *out);
/* The commented sample etc/brood.conf, made from the schema. */
void conf_print_sample(struct str *out);
/* One line a key: "section key type default reloadable help": the drift test's view. */
void conf_print_schema(struct str *out);
/* Name of an enum's value as written in the file. */
const char *conf_ready_to_string(enum conf_ready r);
const char *conf_balance_to_string(enum conf_balance b);

#endif
