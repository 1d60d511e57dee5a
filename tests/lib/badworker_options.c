/*
 * badworker's options: one table for parsing, for the conditions and for --help.
 */
#include "badworker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum kind { FLAG, NUMBER, TEXT, LIST };

/* stays: is no misbehaviour, so it holds also where the conditions do not. */
static const struct {
	const char *name;
	enum kind kind;
	bool stays;
	size_t offset;
	const char *help;
} table[] = {
#define ROW(name, kind, stays, member, help)                              \
	{                                                                 \
		name, kind, stays, offsetof(struct options, member), help \
	}
    ROW("only-slot", NUMBER, true, only_slot, "N: misbehave only in slot N"),
    ROW("except-slot", NUMBER, true, except_slot, "N: misbehave in all slots but N"),
    ROW("from-generation", NUMBER, true, from_generation, "G: misbehave from generation G on"),
    ROW("until-generation", NUMBER, true, until_generation, "G: misbehave up to generation G"),
    ROW("if-file", TEXT, true, if_file, "PATH: misbehave only while PATH exists"),
    ROW("once", TEXT, true, once, "PATH: misbehave only if PATH does not exist; makes it"),

    ROW("ready", TEXT, true, ready, "notify (default), channel, string, fd:N, never"),
    ROW("dump", TEXT, true, dump,
        "PATH: write what was inherited as JSON (%p pid, %s slot, %g generation)"),
    ROW("dump-at-stop", TEXT, true, dump_at_stop, "PATH: the same at the stop signal"),
    ROW("body", TEXT, true, body, "TEXT: answer GET / with TEXT instead of the pid"),
    ROW("messages", TEXT, true, messages,
        "PATH: append each line that comes over the channel (%p, %s, %g)"),
    ROW("speak", TEXT, true, speak,
        "PATH: once ready, bytes written to this FIFO go over the channel (%p, %s, %g)"),
    ROW("port", TEXT, true, port, "PORT: bind 127.0.0.1:PORT when nothing was inherited"),
    ROW("no-listen", FLAG, true, no_listen, "serve nothing"),
    ROW("stdin", FLAG, true, use_stdin, "the listener is descriptor 0"),

    ROW("start-delay", NUMBER, false, start_delay, "MS: sleep first"),
    ROW("crash-before-ready", NUMBER, false, crash_before_ready,
        "MS: die by a signal before ready"),
    ROW("exit-before-ready", NUMBER, false, exit_before_ready, "CODE: exit before ready"),
    ROW("exit-after-ready", NUMBER, false, exit_after_ready, "CODE: exit after ready"),
    ROW("crash-after-ready", FLAG, false, crash_after_ready, "die by a signal after ready"),
    ROW("after", NUMBER, false, after, "MS: how long after ready (0)"),
    ROW("crash-at-request", NUMBER, false, crash_at_request,
        "N: die at the N-th request, unanswered"),
    ROW("signal", NUMBER, false, signal, "NUMBER: the signal to die by (6)"),
    ROW("memory", NUMBER, false, memory, "MB: allocate and touch"),
    ROW("hang", FLAG, false, hang, "sleep for ever before ready"),
    ROW("spin", FLAG, false, spin, "compute for ever before ready"),
    ROW("spin-after-ready", FLAG, false, spin_after_ready, "compute for ever after ready"),
    ROW("stop-self", FLAG, false, stop_self, "SIGSTOP itself after ready"),
    ROW("daemonise", FLAG, false, daemonise,
        "fork, the parent exits 0, the child serves in its own session"),
    ROW("ignore", TEXT, false, ignore, "NAMES: signals to ignore, as TERM,ABRT,INT"),

    ROW("grandchildren", NUMBER, false, grandchildren, "N: fork N sleepers that keep stdout open"),
    ROW("grandchild-session", FLAG, false, grandchild_session, "each in a session of its own"),
    ROW("grandchild-ignore-term", FLAG, false, grandchild_ignore_term, "which ignore TERM"),

    ROW("say", LIST, false, say, "TEXT: a line on stdout at start (repeatable)"),
    ROW("say-err", LIST, false, say_err, "TEXT: a line on stderr at start (repeatable)"),
    ROW("flood-out", NUMBER, false, flood_out, "N: lines a second on stdout; 0: no limit"),
    ROW("flood-err", NUMBER, false, flood_err, "N: lines a second on stderr; 0: no limit"),
    ROW("big-line", NUMBER, false, big_line, "BYTES: one line of that size on stdout"),
    ROW("no-newline", TEXT, false, no_newline, "TEXT: on stdout, with no end of line"),
    ROW("binary", FLAG, false, binary, "all 256 bytes, escapes and bad UTF-8 on stdout"),

    ROW("ready-delay", NUMBER, false, ready_delay, "MS: serve, but say ready later"),
    ROW("ready-twice", FLAG, false, ready_twice, "say ready twice"),
    ROW("ready-while-stopping", FLAG, false, ready_while_stopping, "say ready at the stop signal"),
    ROW("send", LIST, false, send, "FRAME: over the channel at start (repeatable)"),
    ROW("send-file", TEXT, false, send_file, "PATH: its bytes over the channel, as they are"),
    ROW("send-oversize", NUMBER, false, send_oversize, "BYTES: one control frame of that size"),
    ROW("send-deep", NUMBER, false, send_deep, "N: a control frame with N nested lists"),
    ROW("send-every", NUMBER, false, send_every, "MS: the --send frames again and again"),
    ROW("flood-channel", FLAG, false, flood_channel, "--send frames (or a beat) without end"),
    ROW("deaf", FLAG, false, deaf, "never read the channel"),
    ROW("echo", FLAG, false, echo, "send each message's frame back as {\"echo\":FRAME}"),
    ROW("ignore-drain", FLAG, false, ignore_drain, "do not heed drain frames"),
    ROW("agree", FLAG, false, agree, "answer a drain frame with stopping"),
    ROW("close-channel", FLAG, false, close_channel, "close the channel after ready"),
    ROW("close-stdout", FLAG, false, close_stdout, "close descriptor 1 after ready"),
    ROW("close-stderr", FLAG, false, close_stderr, "close descriptor 2 after ready"),

    ROW("slow-drain", NUMBER, false, slow_drain, "MS: leave that long after the stop signal"),
    ROW("drain-exit", NUMBER, false, drain_exit, "CODE: exit with it after the stop signal (0)"),
    ROW("leak-fds", NUMBER, false, leak_fds, "N: open N descriptors and keep them"),
#undef ROW
};

#define TABLE_SIZE (sizeof table / sizeof table[0])

struct options opt;

static void *
member(size_t i)
{
	return (char *)&opt + table[i].offset;
}

static void
reset(size_t i)
{
	switch (table[i].kind) {
	case FLAG:
		*(bool *)member(i) = false;
		break;
	case NUMBER:
		*(long *)member(i) = -1;
		break;
	case TEXT:
		*(const char **)member(i) = NULL;
		break;
	case LIST:
		((struct texts *)member(i))->n = 0;
		break;
	}
}

static void
print_help(void)
{
	puts("usage: badworker [OPTION]...\n\n"
	     "A worker that misbehaves as told; without options a well-behaved one. Options are\n"
	     "also taken from BADWORKER (words separated by blanks, after those of the command\n"
	     "line). All can be combined.\n");
	for (size_t i = 0; i < TABLE_SIZE; i++)
		printf("  --%-24s %s\n", table[i].name, table[i].help);
	exit(0);
}

static void
usage(const char *word, const char *why)
{
	fprintf(stderr, "badworker: %s: %s\n", word, why);
	exit(64);
}

static void
set(size_t i, const char *value)
{
	struct texts *list;
	char *end;

	switch (table[i].kind) {
	case FLAG:
		*(bool *)member(i) = true;
		break;
	case NUMBER:
		*(long *)member(i) = strtol(value, &end, 10);
		if (end == value || *end != '\0')
			usage(table[i].name, "wants a number");
		break;
	case TEXT:
		*(const char **)member(i) = value;
		break;
	case LIST:
		list = member(i);
		if (list->n == TEXTS_MAX)
			usage(table[i].name, "too many");
		list->at[list->n++] = value;
		break;
	}
}

/* Takes one option and its value, "--name value" or "--name=value"; returns the words used. */
static int
take_option(int n, char **words)
{
	const char *name = words[0] + 2, *equals = strchr(name, '=');
	size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);

	if (strcmp(words[0], "--help") == 0)
		print_help();
	if (strncmp(words[0], "--", 2) != 0)
		usage(words[0], "no option");
	for (size_t i = 0; i < TABLE_SIZE; i++) {
		if (strlen(table[i].name) != len || memcmp(table[i].name, name, len) != 0)
			continue;
		if (table[i].kind == FLAG) {
			set(i, NULL);
			return 1;
		}
		if (equals == NULL && n < 2)
			usage(words[0], "wants a value");
		set(i, equals != NULL ? equals + 1 : words[1]);
		return equals != NULL ? 1 : 2;
	}
	usage(words[0], "unknown option; try --help");
	return 0;
}

static void
take_words(int n, char **words)
{
	for (int i = 0; i < n;)
		i += take_option(n - i, words + i);
}

static void
take_environment(void)
{
	static char *words[64];
	char *text = getenv("BADWORKER"), *save = NULL;
	int n = 0;

	/* The words stay for the life of the process, the environment shall stay whole. */
	text = text != NULL ? strdup(text) : NULL;
	for (char *w = text ? strtok_r(text, " ", &save) : NULL; w != NULL && n < 64;
	     w = strtok_r(NULL, " ", &save))
		words[n++] = w;
	take_words(n, words);
}

static bool
conditions_hold(void)
{
	if (opt.only_slot >= 0 && my_slot != opt.only_slot)
		return false;
	if (opt.except_slot >= 0 && my_slot == opt.except_slot)
		return false;
	if (opt.from_generation >= 0 && my_generation < opt.from_generation)
		return false;
	if (opt.until_generation >= 0 && my_generation > opt.until_generation)
		return false;
	if (opt.if_file != NULL && access(opt.if_file, F_OK) < 0)
		return false;
	if (opt.once != NULL) {
		FILE *f = fopen(opt.once, "wx");

		if (f == NULL)
			return false;
		fclose(f);
	}
	return true;
}

void
options_read(int argc, char **argv)
{
	for (size_t i = 0; i < TABLE_SIZE; i++)
		reset(i);
	take_words(argc - 1, argv + 1);
	take_environment();
	if (conditions_hold())
		return;
	for (size_t i = 0; i < TABLE_SIZE; i++) {
		if (!table[i].stays)
			reset(i);
	}
}
