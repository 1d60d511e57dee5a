/*
 * schema: the one table of all keys. Parsing, defaults, broodd -T, the sample file and the list
 * that the manual is held against all follow from it. A key stands here when it works, and not
 * before. Must not contain code that knows a single key.
 */
#include <stdint.h>
#include <string.h>

#include "conf/internal.h"

#define IN_MASTER(field) .section = SECTION_MASTER, .offset = offsetof(struct conf_master, field)
#define IN_APP(field)    .section = SECTION_APP, .offset = offsetof(struct conf_app, field)
#define MS               UINT64_C(1)
#define SECONDS          (1000 * MS)
#define DAY              (24 * 3600 * SECONDS)
#define KIB              UINT64_C(1024)

static const char *const log_levels[] = {[LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
    [LOG_LEVEL_MAX] = NULL};
static const char *const log_formats[] = {[LOG_FORMAT_TEXT] = "text",
    [LOG_FORMAT_LOGFMT] = "logfmt",
    [LOG_FORMAT_JSON] = "json",
    [LOG_FORMAT_MAX] = NULL};
static const char *const exit_whens[] = {[EXIT_WHEN_NEVER] = "never",
    [EXIT_WHEN_ALL_FAILED] = "all-failed",
    [EXIT_WHEN_ALL_EXITED] = "all-exited",
    [EXIT_WHEN_MAX] = NULL};
static const char *const balances[] = {[BALANCE_SHARED] = "shared",
    [BALANCE_KERNEL] = "kernel",
    [BALANCE_EVEN] = "even",
    [BALANCE_STICKY] = "sticky",
    [BALANCE_CPU] = "cpu",
    [BALANCE_DISPATCH] = "dispatch",
    [BALANCE_MAX] = NULL};
static const char *const takes[] = {
    [TAKE_AUTO] = "auto", [TAKE_FDS] = "fds", [TAKE_STDIN] = "stdin", [TAKE_NODE] = "node",
    [TAKE_BIND] = "bind", [TAKE_MAX] = NULL};
static const char *const compats[] = {[COMPAT_NONE] = "none",
    [COMPAT_PM2] = "pm2",
    [COMPAT_EINHORN] = "einhorn",
    [COMPAT_SERVER_STARTER] = "server-starter",
    [COMPAT_MAX] = NULL};
static const char *const relays[] = {
    [RELAY_NONE] = "none", [RELAY_ALL] = "all", [RELAY_MAX] = NULL};
static const char *const tristates[] = {
    [TRI_AUTO] = "auto", [TRI_YES] = "yes", [TRI_NO] = "no", [TRI_MAX] = NULL};
static const char *const readies[] = {[READY_AUTO] = "auto",
    [READY_NOTIFY] = "notify",
    [READY_CHANNEL] = "channel",
    [READY_FD] = "fd",
    [READY_DELAY] = "delay",
    [READY_TCP] = "tcp",
    [READY_HTTP] = "http",
    [READY_LISTENING] = "listening",
    [READY_MAX] = NULL};
static const char *const drains[] = {
    [DRAIN_AUTO] = "auto", [DRAIN_SELF] = "self", [DRAIN_QUIET] = "quiet", [DRAIN_MAX] = NULL};
static const char *const restarts[] = {[RESTART_ALWAYS] = "always",
    [RESTART_ON_FAILURE] = "on-failure",
    [RESTART_NEVER] = "never",
    [RESTART_MAX] = NULL};
static const char *const orphans[] = {[ORPHANS_LEAVE] = "leave", [ORPHANS_MAX] = NULL};
static const char *const overflows[] = {
    [OVERFLOW_BLOCK] = "block", [OVERFLOW_DROP] = "drop", [OVERFLOW_MAX] = NULL};

/* A row reads best with its help on lines of its own. */
/* clang-format off */
const struct key schema[] = {
    {.section = SECTION_MASTER, .name = "include", .type = &type_include, .repeats = true,
	.raw = true, .sample = "conf.d/*.conf",
	.help = "More files, read at this place in the order of their names. A path is relative to "
		"this file. Also allowed before the first section. Repeats."},
    {IN_MASTER(name), .name = "name", .type = &type_name, .fixed = true, .sample = "brood",
	.help = "Name of this instance, as in \"brood -i NAME status\". Without it the file's name "
		"less \".conf\"."},
    {IN_MASTER(run_dir), .name = "run_dir", .type = &type_path, .fixed = true,
	.sample = "/run/brood",
	.help = "Directory of the control socket and the lock. Without it /run/brood for root and "
		"$XDG_RUNTIME_DIR/brood for others."},
    {IN_MASTER(control_group), .name = "control_group", .type = &type_text, .fixed = true,
	.sample = "adm",
	.help = "Group whose members may operate this instance (but not see environments, nor "
		"kill). Without it root and the owner only."},
    {.section = SECTION_MASTER, .name = "log", .type = &type_log, .def = "inherit",
	.help = "Where the master's own words go: inherit (standard error), none or file:PATH."},
    {IN_MASTER(log_level), .name = "log_level", .type = &type_choice, .choices = log_levels,
	.def = "info", .help = "The least important lines to write: error, warn, info or debug."},
    {IN_MASTER(log_format), .name = "log_format", .type = &type_choice, .choices = log_formats,
	.def = "text", .help = "text for people, logfmt or json for machines."},
    {IN_MASTER(exit_when), .name = "exit_when", .type = &type_choice, .choices = exit_whens,
	.def = "never",
	.help = "When the master ends by itself: never, all-failed (each slot gave up) or "
		"all-exited. Under \"brood run\" and as PID 1 the default is all-failed."},

    {IN_APP(argv), .name = "command", .type = &type_argv, .raw = true,
	.sample = "/usr/bin/node server.js --port %(slot)",
	.help = "Program and arguments, quoted as in a shell but never given to one. Without it the "
		"built-in brood-hello."},
    {IN_APP(directory), .name = "directory", .type = &type_text, .sample = "/srv/web",
	.help = "Working directory of the workers. Without it the master's own."},
    {IN_APP(inherit_env), .name = "inherit_env", .type = &type_bool, .def = "no",
	.help = "Whether workers get the whole environment of the master. With no they get PATH, "
		"HOME, LANG, TZ and the like, and what this file names."},
    {.section = SECTION_APP, .name = "env_file", .type = &type_env_file, .sample = "web.env",
	.help = "File of NAME=VALUE lines for the workers' environment, read at each load. A path "
		"is relative to this file. Variables of [env:NAME] win."},
    {IN_APP(user), .name = "user", .type = &type_text, .sample = "www-data",
	.help = "User that workers run as. Without it the master's own; only root can change it."},
    {IN_APP(group), .name = "group", .type = &type_text, .sample = "www-data",
	.help = "Group that workers run as. Without it the user's own."},
    {IN_APP(umask), .name = "umask", .type = &type_octal, .sample = "0027",
	.help = "File mode mask of the workers, octal. Without it the master's own."},
    {IN_APP(limit_nofile), .name = "limit_nofile", .type = &type_limit, .min = 16,
	.max = UINT64_C(1) << 30, .sample = "65536",
	.help = "How many descriptors a worker may have open. Without it the master's own limit."},
    {IN_APP(limit_core), .name = "limit_core", .type = &type_bytes, .min = 0,
	.max = UINT64_C(1) << 50, .sample = "unlimited",
	.help = "How large a worker's core file may get; 0 for none, or unlimited. Without it the "
		"master's own limit."},
    {IN_APP(nice), .name = "nice", .type = &type_integer, .min = 20, .max = 19, .sample = "5",
	.help = "Scheduling priority of the workers, from -20 (first) to 19 (last)."},
    {IN_APP(cpu_affinity), .name = "cpu_affinity", .type = &type_affinity, .sample = "auto",
	.help = "CPUs that workers may use: auto (one for each slot, in turn) or a list such as "
		"0-3,8. Without it the master's own."},
    {IN_APP(oom_score_adj), .name = "oom_score_adj", .type = &type_integer, .min = 1000,
	.max = 1000, .sample = "100",
	.help = "How gladly the kernel kills a worker when memory ends, from -1000 (never) to 1000."},
    {IN_APP(no_new_privs), .name = "no_new_privs", .type = &type_bool, .def = "yes",
	.help = "Whether set-user-id programs have no effect for workers."},
    {.section = SECTION_APP, .name = "workers", .type = &type_workers, .def = "auto",
	.help = "Number of workers: auto (as many as there are CPUs to use), auto*2, auto-1 or a "
		"number. 0 pauses the app. Where it is not set, WEB_CONCURRENCY of the environment "
		"is."},
    {.section = SECTION_APP, .name = "listen", .type = &type_listen, .repeats = true,
	.sample = "127.0.0.1:8080",
	.help = "Address to serve: HOST:PORT, [V6]:PORT, *:PORT (all addresses, IPv4 and IPv6), "
		"unix:/PATH?mode=0660&owner=USER&group=GROUP or udp:HOST:PORT; with ?backlog=N, "
		"?name=NAME and ?as=PORT (the port that the program itself asks for). Repeats."},
    {IN_APP(balance), .name = "balance", .type = &type_choice, .choices = balances, .def = "even",
	.fixed = true,
	.help = "How TCP connections find a worker: even (at random among those that serve), sticky "
		"(by the client's address), cpu (by the CPU that got the packet), kernel (the "
		"kernel's hash; see brood.conf(5) for its price), shared (one socket for all) or "
		"dispatch (the master accepts and hands over)."},
    {IN_APP(take), .name = "take", .type = &type_choice, .choices = takes, .def = "auto",
	.help = "How a worker gets its sockets: fds (from descriptor 3 on, LISTEN_FDS), stdin (the "
		"first one as descriptor 0), node (its listen() asks the master, as in Node's "
		"cluster) or bind (its own bind() gets the slot's socket). auto means node for "
		"programs of Node's, else fds."},
    {IN_APP(nonblocking), .name = "nonblocking", .type = &type_choice, .choices = tristates,
	.def = "auto", .fixed = true,
	.help = "Whether the sockets are non-blocking when a worker gets them. auto means yes for "
		"take = node and bind, else no."},
    {IN_APP(compat), .name = "compat", .type = &type_choice, .choices = compats, .def = "none",
	.help = "Whose habits the program has, so that it finds what it would find there: pm2, "
		"einhorn, server-starter or none."},
    {IN_APP(relay), .name = "relay", .type = &type_choice, .choices = relays, .def = "none",
	.help = "Which messages of a worker go on to the others of the app: none, or all that are "
		"not for the master (as the cluster adapter of socket.io expects)."},
    {IN_APP(node_preload), .name = "node_preload", .type = &type_bool, .def = "yes",
	.help = "With take = node: whether a small script of brood is loaded first, which ends "
		"keep-alive connections by an answer when a worker drains."},
    {IN_APP(spares), .name = "spares", .type = &type_count, .max = CONF_WORKERS_MAX, .def = "0",
	.help = "With take = node: so many workers more, started up to their listen(), that take the "
		"place of one that dies."},
    {.section = SECTION_APP, .name = "ready", .type = &type_ready, .def = "auto",
	.help = "How a worker says that it is ready: notify (READY=1 to NOTIFY_SOCKET), channel, "
		"fd:N (a line on descriptor N), delay:DURATION, tcp (it accepts a connection), "
		"http:/PATH (it answers a request), listening (take = node or bind: it has called "
		"listen()), or auto: the first of notify, channel and listening, else it accepts a "
		"connection, or is alive for a second."},
    {IN_APP(ready_timeout_ms), .name = "ready_timeout", .type = &type_duration, .min = 1 * MS,
	.max = DAY, .def = "1m", .help = "How long a worker may take until it is ready."},
    {IN_APP(drain), .name = "drain", .type = &type_choice, .choices = drains, .def = "auto",
	.help = "Who sees to it that a leaving worker finishes its work: self (the program) or "
		"quiet (the master waits until no connection has a request inside). auto means "
		"quiet for programs that do not speak to brood, where that can be told."},
    {IN_APP(drain_delay_ms), .name = "drain_delay", .type = &type_duration, .max = DAY,
	.def = "0s",
	.help = "How long a leaving worker goes on accepting before it is told to stop."},
    {IN_APP(stop_signal), .name = "stop_signal", .type = &type_signal, .def = "TERM",
	.help = "Signal that asks a worker to end. With compat = pm2 INT, with einhorn USR2."},
    {IN_APP(stop_timeout_ms), .name = "stop_timeout", .type = &type_duration, .max = DAY,
	.def = "30s", .help = "How long a worker may take to end after that."},
    {IN_APP(abort_signal), .name = "abort_signal", .type = &type_signal, .def = "ABRT",
	.help = "Signal to one that did not, for the sake of a core file."},
    {IN_APP(abort_timeout_ms), .name = "abort_timeout", .type = &type_duration, .max = DAY,
	.def = "2s", .help = "Time for the core file; then KILL."},
    {IN_APP(restart), .name = "restart", .type = &type_choice, .choices = restarts,
	.def = "always",
	.help = "Which workers that ended by themselves are replaced: always, on-failure (a signal "
		"or an exit code other than 0) or never."},
    {IN_APP(no_restart_codes), .name = "no_restart_codes", .type = &type_codes, .def = "none",
	.help = "Exit codes after which a worker is not replaced: a list such as 0,64-78."},
    {IN_APP(restart_delay_ms), .name = "restart_delay", .type = &type_duration, .min = 1 * MS,
	.max = DAY, .def = "100ms",
	.help = "First pause before a worker that died is started again; it doubles each time."},
    {IN_APP(restart_delay_max_ms), .name = "restart_delay_max", .type = &type_duration,
	.min = 1 * MS, .max = DAY, .def = "1m",
	.help = "The longest pause for one that dies before it is ready."},
    {.section = SECTION_APP, .name = "restart_limit", .type = &type_rate, .def = "10/1m",
	.help = "Deaths before ready, within a time, after which a slot gives up; or none."},
    {IN_APP(crash_burst), .name = "crash_burst", .type = &type_count, .max = 1000, .def = "5",
	.help = "Deaths after ready that are made good without a pause."},
    {IN_APP(crash_refill_ms), .name = "crash_refill", .type = &type_duration, .min = 1 * MS,
	.max = DAY, .def = "2s", .help = "Time after which one more of them is allowed again."},
    {IN_APP(max_surge), .name = "max_surge", .type = &type_count, .max = CONF_WORKERS_MAX,
	.def = "1", .help = "How many workers more than usual there may be during a rollout."},
    {IN_APP(max_unavailable), .name = "max_unavailable", .type = &type_count,
	.max = CONF_WORKERS_MAX, .def = "0",
	.help = "How many workers less than usual may be ready during a rollout."},
    {IN_APP(max_generations), .name = "max_generations", .type = &type_count, .min = 2, .max = 64,
	.def = "2",
	.help = "How many generations may live at a time; beyond, the oldest that drains is given "
		"stop_timeout."},
    {IN_APP(stall_after_ms), .name = "stall_after", .type = &type_duration, .min = 1 * MS,
	.max = 10 * SECONDS, .def = "3ms",
	.help = "How long a worker's queue of connections may wait without getting shorter, before "
		"new ones go round it."},
    {IN_APP(watchdog_ms), .name = "watchdog", .type = &type_duration, .max = DAY, .def = "0s",
	.help = "How long a worker may stay like that, or leave the master's pings unanswered, "
		"until it is replaced by force. 0 means for ever."},
    {.section = SECTION_APP, .name = "probe", .type = &type_probe, .def = "none",
	.help = "A health probe of each ready worker: http:/PATH, answered well by a status of 200 "
		"to 399; or none."},
    {IN_APP(probe_interval_ms), .name = "probe_interval", .type = &type_duration,
	.min = 100 * MS, .max = DAY, .def = "10s",
	.help = "Time between two health probes of a worker."},
    {IN_APP(probe_timeout_ms), .name = "probe_timeout", .type = &type_duration, .min = 1 * MS,
	.max = 3600 * SECONDS, .def = "5s",
	.help = "How long the answer to a health probe may take."},
    {IN_APP(probe_failures), .name = "probe_failures", .type = &type_count, .min = 1, .max = 1000,
	.def = "3",
	.help = "So many failed health probes in a row, and the worker is replaced, gracefully."},
    {IN_APP(message_max), .name = "message_max", .type = &type_size, .min = KIB,
	.max = 16 * KIB * KIB, .def = "64K", .help = "The longest message on a worker's channel."},
    {IN_APP(orphans), .name = "orphans", .type = &type_choice, .choices = orphans, .def = "leave",
	.help = "What workers do when the master dies: leave."},
    {.section = SECTION_APP, .name = "log", .type = &type_log, .def = "inherit",
	.help = "Where the workers' output goes: inherit (to the master's, line by line), pass (the "
		"master's descriptors themselves; nothing for \"brood logs\"), none or file:PATH."},
    {IN_APP(log_line_max), .name = "log_line_max", .type = &type_size, .min = 128,
	.max = 1024 * KIB, .def = "16K", .help = "Longer lines of output are split and marked."},
    {IN_APP(log_overflow), .name = "log_overflow", .type = &type_choice, .choices = overflows,
	.def = "block",
	.help = "What happens to a worker that writes faster than its output is taken: block (it "
		"waits) or drop (lines are lost and counted)."},
};
/* clang-format on */
const size_t schema_len = sizeof(schema) / sizeof(schema[0]);
_Static_assert(sizeof(schema) / sizeof(schema[0]) <= KEYS_MAX, "struct raw_section has no room");

size_t
schema_find(enum section_kind section, const char *name)
{
	for (size_t i = 0; i < schema_len; i++) {
		if (schema[i].section == section && strcmp(schema[i].name, name) == 0)
			return i;
	}
	return schema_len;
}

const char *
schema_section_name(enum section_kind section)
{
	static const char *const names[SECTION_KIND_MAX] = {[SECTION_MASTER] = "master",
	    [SECTION_APP] = "app",
	    [SECTION_ENV] = "env",
	    [SECTION_BAD] = "?"};

	return names[section];
}

const char *
conf_ready_to_string(enum conf_ready r)
{
	return readies[r];
}

const char *
conf_balance_to_string(enum conf_balance b)
{
	return balances[b];
}
