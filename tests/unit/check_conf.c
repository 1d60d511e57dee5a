/*
 * check_conf: one row per fault of a configuration (C1 to C4, C8, X4), each with the whole of
 * what is said; then what is accepted.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/conf.h"

#define APP "[app:web]\ncommand = true\n"

static char dir[] = "/tmp/check_conf.XXXXXX";
static char *const environment[] = {
    "HOME=/home/x", "EMPTY=", "TWO=a b", "NL=a\nb", "TAIL=x ", NULL};
static struct conf *conf;
static struct conf_errors errs;
static struct conf_source source;

static void
write_file(const char *name, const char *text, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, len), (ssize_t)len);
	(void)close(fd);
}

static void
write_text(const char *name, const char *text)
{
	write_file(name, text, strlen(text));
}

static void
setup(void)
{
	strcpy(strrchr(dir, '.'), ".XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(chdir(dir), 0);
	source = (struct conf_source){.path = "b.conf", .environ = environment};
}

static int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static int
remove_tree(void)
{
	return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
teardown(void)
{
	conf_unref(conf);
	conf_errors_free(&errs);
	conf = NULL;
	ck_assert_int_eq(chdir("/"), 0);
	ck_assert_int_eq(remove_tree(), 0);
}

static int
load(void)
{
	return conf_load(&source, &conf, &errs);
}

static void
load_text(const char *text)
{
	write_text("b.conf", text);
	if (load())
		ck_abort_msg("%s", errs.len ? errs.text[0] : "no memory");
}

/* What is said of text must begin with the lines of expected. */
static void
assert_refused(const char *text, size_t len, const char *expected)
{
	struct str said = {0};

	write_file("b.conf", text, len);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_ptr_null(conf);
	for (size_t i = 0; i < errs.len; i++)
		str_addf(&said, "%s\n", errs.text[i]);
	if (strncmp(str_text(&said), expected, strlen(expected)) != 0)
		ck_abort_msg("said: %s", str_text(&said));
	str_free(&said);
}

struct fault {
	const char *id, *text, *said;
};

static const struct fault faults[] = {
    {"C1 only comments", "# nothing\n", "b.conf: has no [app:NAME] section"},
    {"C1 no app", "[master]\nname = x\n", "b.conf: has no [app:NAME] section"},
    {"C2 unknown key", APP "wrokers = 2\n",
        "b.conf:3:1: unknown key wrokers in [app:web]; did you mean workers?"},
    {"C2 unknown key, far from all", APP "xyzzy = 2\n",
        "b.conf:3:1: unknown key xyzzy in [app:web]; brood.conf(5) lists all keys"},
    {"C2 another program's word", APP "instances = 2\n",
        "b.conf:3:1: unknown key instances in [app:web]; did you mean workers?"},
    {"C2 key in the wrong section", "[master]\nworkers = 2\n" APP,
        "b.conf:2:1: workers does not belong into [master]; move it to [app:NAME]"},
    {"C2 key of the master in an app", APP "run_dir = /x\n",
        "b.conf:3:1: run_dir does not belong into [app:web]; move it to [master]"},
    {"C2 a key that does not work yet", APP "max_memory = 1G\n", "b.conf:3:1: unknown key max_memory"},
    {"C2 case matters", APP "Workers = 1\n",
        "b.conf:3:1: unknown key Workers in [app:web]; did you mean workers?"},
    {"C2 unknown section", APP "[ap:x]\nfoo = 1\n",
        "b.conf:3:2: unknown section [ap:x]; did you mean [app:NAME]?\n"},
    {"C2 unknown section", APP "[mster]\n",
        "b.conf:3:2: unknown section [mster]; did you mean [master]?\n"},
    {"C2 unknown section", APP "[server]\n",
        "b.conf:3:2: unknown section [server]; there are [master], [app:NAME] and [env:NAME]\n"},
    {"C2 key before any section", "workers = 1\n" APP,
        "b.conf:1:1: workers stands before any section"},
    {"C2 leading zero", APP "workers = 08\n", "b.conf:3:11: workers = 08: write auto"},
    {"C2 sign", APP "workers = -1\n", "b.conf:3:11: workers = -1: write auto"},
    {"C2 range", APP "workers = 4097\n", "b.conf:3:11: workers = 4097: write auto"},
    {"C2 range of later", APP "workers = 2-8\n", "b.conf:3:11: workers = 2-8: write auto"},
    {"C2 auto", APP "workers = auto*0\n", "b.conf:3:11: workers = auto*0: write auto"},
    {"C2 auto", APP "workers = auto/2\n", "b.conf:3:11: workers = auto/2: write auto"},
    {"C2 auto", APP "workers = auto*99999999999999999999\n", "b.conf:3:11: workers = auto*9999"},
    {"C2 unit", APP "stop_timeout = 5x\n",
        "b.conf:3:16: stop_timeout = 5x: write a duration such as 500ms, 30s, 5m or 2h\n"},
    {"C2 comment behind a value", APP "stop_timeout = 5s ; five\n",
        "b.conf:3:16: stop_timeout = 5s ; five: write a duration such as 500ms, 30s, 5m or 2h (a "
        "comment stands on its own line)\n"},
    {"C2 overflow", APP "stop_timeout = 99999999999999999999s\n",
        "b.conf:3:16: stop_timeout = 99999999999999999999s: out of range; it may be 0s to 24h\n"},
    {"T3 49 days", APP "stop_timeout = 4294968s\n",
        "b.conf:3:16: stop_timeout = 4294968s: out of range"},
    {"T3 zero", APP "ready_timeout = 0\n", "b.conf:3:17: ready_timeout = 0: out of range"},
    {"C2 size", APP "message_max = 64KB\n", "b.conf:3:15: message_max = 64KB: write a size"},
    {"C2 size range", APP "message_max = 17M\n",
        "b.conf:3:15: message_max = 17M: out of range; it may be 1K to 16M\n"},
    {"C2 bool", APP "inherit_env = maybe\n", "b.conf:3:15: inherit_env = maybe: write yes or no\n"},
    {"C2 choice", APP "restart = alway\n",
        "b.conf:3:11: restart = alway: did you mean always? It may be always, on-failure or "
        "never\n"},
    {"C2 no balance", APP "balance = evn\n",
        "b.conf:3:11: balance = evn: did you mean even? It may be shared, kernel, even, sticky, "
        "cpu or dispatch\n"},
    {"C2 no take", APP "take = nod\n",
        "b.conf:3:8: take = nod: did you mean node? It may be auto, fds, stdin, node or bind\n"},
    {"C2 no readiness", APP "ready = listen\n",
        "b.conf:3:9: ready = listen: write auto, notify, channel, fd:N, delay:DURATION, tcp, "
        "http:/PATH or listening\n"},
    {"spares of a program that is not asked for", APP "take = fds\nspares = 1\n",
        "b.conf:4:10: spares are for take = node"},
    {"pm2 and a program that reads no channel", APP "listen = *:1\ntake = bind\ncompat = pm2\n",
        "b.conf:5:10: compat = pm2 is for take = node or fds"},
    {"einhorn and a program that asks", APP "take = node\ncompat = einhorn\n",
        "b.conf:4:10: compat = einhorn is for take = fds or stdin"},
    {"server-starter and a program that binds",
        APP "listen = *:1\ntake = bind\ncompat = server-starter\n",
        "b.conf:5:10: compat = server-starter is for take = fds or stdin"},
    {"C2 ready without its number", APP "ready = fd\n", "b.conf:3:9: ready = fd: write auto, no"},
    {"C2 ready without its path", APP "ready = http\n", "b.conf:3:9: ready = http: write auto, "},
    {"C2 ready with an address", APP "ready = http://127.0.0.1/\n",
        "b.conf:3:9: ready = http://127.0.0.1/: write http: and a path, such as http:/healthz; "
        "the address is the app's own\n"},
    {"C2 ready with a space", APP "ready = http:/a b\n",
        "b.conf:3:9: ready = http:/a b: at character 8: not allowed in a path; write it as %XX\n"},
    {"C2 probe", APP "probe = tcp\n",
        "b.conf:3:9: probe = tcp: write none, or http:/PATH such as http:/healthz\n"},
    {"C2 probe", APP "probe = http:healthz\n",
        "b.conf:3:9: probe = http:healthz: write http: and a path"},
    {"C2 probe_failures", APP "probe_failures = 0\n",
        "b.conf:3:18: probe_failures = 0: out of range; it may be 1 to 1000\n"},
    {"C2 stall_after", APP "stall_after = 11s\n",
        "b.conf:3:15: stall_after = 11s: out of range; it may be 1ms to 10s\n"},
    {"C2 stall_after", APP "stall_after = 0\n", "b.conf:3:15: stall_after = 0: out of range"},
    {"C2 drain", APP "drain = quite\n",
        "b.conf:3:9: drain = quite: did you mean quiet? It may be auto, self or quiet\n"},
    {"C2 signal", APP "stop_signal = FOO\n", "b.conf:3:15: stop_signal = FOO: no signal"},
    {"C2 signal that ends nothing", APP "stop_signal = CONT\n",
        "b.conf:3:15: stop_signal = CONT: this signal ends no program"},
    {"C2 octal", APP "umask = 8\n", "b.conf:3:9: umask = 8: write an octal mask"},
    {"C2 octal", APP "umask = 1777\n", "b.conf:3:9: umask = 1777: out of range"},
    {"C2 nice", APP "nice = -21\n", "b.conf:3:8: nice = -21: out of range; it may be -20 to 19\n"},
    {"C2 nice", APP "nice = 20\n", "b.conf:3:8: nice = 20: out of range"},
    {"C2 exit codes", APP "no_restart_codes = 256\n", "b.conf:3:20: no_restart_codes = 256: write"},
    {"C2 exit codes", APP "no_restart_codes = 5-3\n", "b.conf:3:20: no_restart_codes = 5-3: write"},
    {"C2 CPUs", APP "cpu_affinity = 0-\n", "b.conf:3:16: cpu_affinity = 0-: write auto, or CPUs"},
    {"C2 rate", APP "restart_limit = 10\n",
        "b.conf:3:17: restart_limit = 10: write none, or N/DURATION such as 10/60s"},
    {"C2 rate", APP "restart_limit = 0/1s\n", "b.conf:3:17: restart_limit = 0/1s: write none"},
    {"C2 log", APP "log = syslog\n",
        "b.conf:3:7: log = syslog: write inherit, pass, none or file:PATH\n"},
    {"C2 log of the master", "[master]\nlog = pass\n" APP,
        "b.conf:2:7: log = pass: write inherit, none or file:PATH\n"},
    {"C2 name", "[master]\nname = a/b\n" APP, "b.conf:2:8: name = a/b: no name; use 1 to 48"},
    {"C2 path", "[master]\nrun_dir = x\n" APP,
        "b.conf:2:11: run_dir = x: the path must be absolute; write /x\n"},
    {"C2 no value", APP "user =\n", "b.conf:3:7: user = : has no value; remove the line"},
    {"C2 no value", APP "user = ${EMPTY}\n", "b.conf:3:8: user = ${EMPTY}: has no value"},
    {"C2 value with a newline", APP "directory = ${NL}\n",
        "b.conf:3:13: directory = ${NL}: holds a control character"},
    {"C2 name of an app", "[app:a/b]\n",
        "b.conf:1:2: [app:a/b]: \"a/b\" is no name; use 1 to 48 of A-Z a-z 0-9 _ . -\n"},
    {"C2 name of an app", "[app:..]\n", "b.conf:1:2: [app:..]: \"..\" is no name"},
    {"C2 name of an app", "[app]\n", "b.conf:1:2: [app] names no app; write [app:NAME]\n"},
    {"C2 name of an app", "[app:]\n", "b.conf:1:2: [app:]: \"\" is no name"},
    {"C2 all are listed, top to bottom", "[master]\nnmae = x\n" APP "workers = x\n  y\nnice = z\n",
        "b.conf:2:1: unknown key nmae in [master]; did you mean name?\n"
        "b.conf:5:11: workers = x: write auto, auto*2, auto-1, auto+1 or a number from 0 to 4096\n"
        "b.conf:6:1: the line is indented; a value can't go on in a second line: move this one to "
        "the "
        "left or join it to the one before\n"
        "b.conf:7:8: nice = z: write a number such as 5 or -5\n"},
    {"C3 duplicate key", APP "workers = 1\nworkers = 1\n",
        "b.conf:4:1: workers is set already, in line 3; remove one of the two\n"},
    {"C3 duplicate app", APP APP, "b.conf:3:2: [app:web] again: it began at b.conf:1;"},
    {"C3 duplicate master", "[master]\n[master]\n" APP, "b.conf:2:2: [master] again"},
    {"C3 duplicate variable", APP "[env:web]\nA = 1\nB = 2\nA = 3\n",
        "b.conf:6:1: A is set twice; remove one\n"},
    {"C3 over-long name", "[app:1234567890123456789012345678901234567890123456789]\n",
        "b.conf:1:2: the section's name is longer than 52 bytes"},
    {"C3 name inih would cut", APP "[env:123456789012345678901234567890123456789012345678]\n",
        "b.conf:3:2: [env:123456789012345678901234567890123456789012345678]: there is no [app:"},
    {"C3 empty name", "[]\n", "b.conf:1:2: the section has no name"},
    {"C3 no end", "[app:web\n",
        "b.conf:1:1: the section's name does not end; write a ] behind it\n"},
    {"C3 text behind a section", "[app:web] ; x\n",
        "b.conf:1:10: text behind the section's name; a comment stands on its own line\n"},
    {"C3 indented line", APP " workers = 1\n", "b.conf:3:1: the line is indented"},
    {"C3 continuation", APP "command = a\n\tb\n", "b.conf:3:1: command is set already"},
    {"C3 bad UTF-8", APP "user = \xFF\n",
        "b.conf:3:8: byte 0xff is not UTF-8; save the file as UTF-8\n"},
    {"C3 overlong UTF-8", APP "user = \xC0\x80\n", "b.conf:3:8: byte 0xc0 is not UTF-8"},
    {"C3 no =", APP "workers\n", "b.conf:3:1: no \"=\" in this line; write \"key = value\"\n"},
    {"C3 : for =", APP "workers: 3\n",
        "b.conf:3:1: no \"=\" in this line; write \"key = value\", with = and not :\n"},
    {"C3 no key", APP "= 3\n", "b.conf:3:1: no key before the \"=\"\n"},
    {"C4 open quote", "[app:web]\ncommand = a 'b\n",
        "b.conf:2:11: command = a 'b: at character 3: a quote that does not end"},
    {"C4 bad escape", "[app:web]\ncommand = a \"\\q\"\n",
        "b.conf:2:11: command = a \"\\q\": at ch"},
    {"C4 no program", "[app:web]\ncommand = ''\n",
        "b.conf:2:11: command = '': the program's name is empty\n"},
    {"C4 variable not set", "[app:web]\ncommand = a ${NOPE}\n",
        "b.conf:2:11: command = a ${NOPE}: NOPE is not set in the environment; set it, write "
        "${NOPE:-default}, or $${NOPE} for the characters themselves\n"},
    {"C4 variable that does not end", APP "user = ${HOME\n",
        "b.conf:3:8: user = ${HOME: ${ begins a variable"},
    {"C4 variable with no name", APP "user = ${}\n", "b.conf:3:8: user = ${}: ${ begins"},
    {"C4 variable with a strange name", APP "user = ${a-b}\n", "b.conf:3:8: user = ${a-b}: ${ b"},
    {"C4 quoted variable", APP "[env:web]\nA = \"x\n",
        "b.conf:4:5: A: the quoted value is not well formed"},
    {"C4 quoted variable", APP "[env:web]\nA = \"x\" y\n",
        "b.conf:4:10: A: the quoted value is not well formed"},
    {"env of no app", APP "[env:wbe]\nA = 1\n",
        "b.conf:3:2: [env:wbe]: there is no [app:wbe]; did you mean [env:web]?\n"},
    {"name of a variable", APP "[env:web]\na b = 1\n",
        "b.conf:4:1: \"a b\" is no name of a variable\n"},
    {"no step for a rollout", APP "max_surge = 0\n",
        "b.conf:3:13: max_surge = 0 and max_unavailable = 0: no rollout could take its first step"},
    {"duplicate listener", APP "listen = 127.0.0.1:80\nlisten = 127.0.0.1:80?name=x\n",
        "b.conf:4:10: listen = 127.0.0.1:80?name=x: taken already by listen = 127.0.0.1:80 of "
        "[app:w"},
    {"duplicate listener over apps", APP "listen = *:80\n[app:b]\nlisten = [::1]:80\n",
        "b.conf:5:10: listen = [::1]:80: taken already by listen = *:80 of [app:web]; give one"},
    {"ready fd is a standard one", APP "ready = fd:2\n",
        "b.conf:3:9: ready = fd:2: 0, 1 and 2 are the standard descriptors; write fd:3\n"},
    {"ready fd is a listener", APP "listen = *:1\nready = fd:3\n",
        "b.conf:4:9: ready = fd:3: a listener of the worker has that number; write fd:4\n"},
    {"ready fd too large", APP "ready = fd:256\n", "b.conf:3:9: ready = fd:256: write fd:N"},
    {"ready delay too long", APP "ready = delay:61s\n",
        "b.conf:3:9: ready = delay is longer than ready_timeout; raise ready_timeout\n"},
    {"kernel without TCP", APP "listen = unix:/x\nbalance = kernel\n",
        "b.conf:4:11: balance = kernel is for TCP, and [app:web] has no TCP address"},
    {"sticky without TCP", APP "listen = unix:/x\nbalance = sticky\n",
        "b.conf:4:11: balance = sticky is for TCP, and [app:web] has no TCP address"},
    {"cpu without TCP", APP "balance = cpu\n",
        "b.conf:3:11: balance = cpu is for TCP, and [app:we"},
    {"dispatch without connections", APP "listen = udp:*:53\nbalance = dispatch\n",
        "b.conf:4:11: balance = dispatch hands over connections, and [app:web] has no address that "
        "takes any; add a listen, TCP or UNIX\n"},
    {"bind without a listen", APP "take = bind\n",
        "b.conf:3:8: take = bind gives the program the sockets of listen, and [app:web] has none; "
        "add the address that the program binds\n"},
    {"bind of what the master accepts", APP "listen = *:1\nbalance = dispatch\ntake = bind\n",
        "b.conf:5:8: take = bind is for programs that accept for themselves, and with balance = "
        "dispatch the master does; write balance = even\n"},
    {"dispatch to stdin", APP "listen = *:1\nbalance = dispatch\ntake = stdin\n",
        "b.conf:5:8: take = stdin, but with balance = dispatch workers get connections over their "
        "channel, and no listener; write take = fds\n"},
    {"ready by a connection that can't be sent",
        APP "listen = *:1\nbalance = shared\nready = tcp\n",
        "b.conf:5:9: ready = tcp needs a worker that can be addressed: balance = even, sticky or "
        "cpu and a TCP listen\n"},
    {"ready by a connection that can't be sent", APP "listen = unix:/x\nready = http:/y\n",
        "b.conf:4:9: ready = http:/path needs a worker that can be addressed: balance = even, "},
    {"probe that can't be sent", APP "listen = *:1\nbalance = kernel\nprobe = http:/y\n",
        "b.conf:5:9: probe = http:/path needs a worker that can be addressed: balance = even, "},
    {"quiet that can't be told", APP "listen = *:1\nbalance = dispatch\ndrain = quiet\n",
        "b.conf:5:9: drain = quiet needs a worker that can be addressed: balance = even, sticky "},
    {"watchdog that barks first", APP "watchdog = 3ms\n",
        "b.conf:3:12: watchdog is no longer than stall_after; raise it, 10s for instance\n"},
    {"stdin without a listener", APP "take = stdin\n",
        "b.conf:3:8: take = stdin, but [app:web] has no listen; add one\n"},
    {"delays", APP "restart_delay = 2m\n", "b.conf:3:17: restart_delay is longer than"},
    {"name like a slot", APP "[app:web.2]\n",
        "b.conf:3:2: [app:web.2] could be taken for slot 2 of [app:web]; give it another name\n"},
    {"C8 included file missing", "include = x.conf\n" APP,
        "b.conf:1:11: include: x.conf can't be read: No such file or directory\n"},
    {"C8 include loop", "include = b.conf\n" APP,
        "b.conf:1:11: include: b.conf includes itself in a loop; remove one of the two\n"},
    {"C8 include in an app", APP "include = x\n", "b.conf:3:1: include does not belong into"},
    {"C8 include of nothing", "include =\n" APP, "b.conf:1:10: include names no file"},
    {"C8 include of a directory", "include = .\n" APP, "b.conf:1:11: include: . is a directory"},
    {"env_file missing", APP "env_file = x.env\n",
        "b.conf:3:12: env_file = x.env: x.env can't be read: No such file or directory\n"},
};

START_TEST(fault_is_named_with_place_and_remedy)
{
	assert_refused(faults[_i].text, strlen(faults[_i].text), faults[_i].said);
}
END_TEST

START_TEST(c3_nul_is_refused)
{
	static const char text[] = APP "user = a\0b\n";

	assert_refused(text, sizeof(text) - 1, "b.conf:3:9: a NUL byte; this is no text file\n");
}
END_TEST

START_TEST(c3_line_too_long_is_refused_and_one_that_is_not_arrives_whole)
{
	size_t len = strlen(APP) + 5 + 65532;
	char *text = malloc(len + 1);

	(void)sprintf(text, APP "user=");
	memset(text + strlen(text), 'x', len - strlen(text));
	text[len] = '\0';
	assert_refused(text, len, "b.conf:3:1: the line is longer than 64 KiB");
	conf_errors_free(&errs);
	write_file("b.conf", text, len - 1);
	ck_assert_int_eq(load(), 0);
	ck_assert_uint_eq(strlen(conf->apps[0]->user), 65531);
	free(text);
}
END_TEST

/* inih cuts lines at 200 bytes and would take the rest for a key of its own. */
START_TEST(c4_the_tail_of_a_long_line_is_no_key)
{
	char text[600];

	(void)snprintf(text, sizeof(text), APP "directory = /%0300d\\\nnice = 1\n", 0);
	(void)snprintf(text + strlen(APP) + 200, 20, "user = root");
	text[strlen(text)] = ' ';
	load_text(text);
	ck_assert_ptr_null(conf->apps[0]->user);
	ck_assert_int_eq(conf->apps[0]->nice, 1);
}
END_TEST

START_TEST(c3_bom_and_crlf_are_accepted)
{
	load_text("\xEF\xBB\xBF[app:web]\r\ncommand = true x\r\n\r\n# c\r\nworkers = 3\r\n");
	ck_assert_str_eq(conf->apps[0]->argv[1], "x");
	ck_assert_uint_eq(conf->apps[0]->workers_n, 3);
}
END_TEST

START_TEST(c3_the_last_line_needs_no_end)
{
	load_text(APP "workers = 3");
	ck_assert_uint_eq(conf->apps[0]->workers_n, 3);
}
END_TEST

static const struct {
	const char *written, *words; /* each in <> */
} commands[] = {
    {"sh -c 'a ; b'", "<sh><-c><a ; b>"},
    {"a ; b # c", "<a><;><b><#><c>"},
    {"a:b = c : d", "<a:b><=><c><:><d>"},
    {"date +%s %(asctime)s 100%", "<date><+%s><%(asctime)s><100%>"},
    {"node --port %(slot) %%", "<node><--port><%(slot)><%%>"},
    {"a $HOME $x $", "<a><$HOME><$x><$>"},
    {"a ${HOME} ${NOPE:-d}", "<a></home/x><d>"},
    {"a ${TWO} '${TWO}' x${EMPTY}y", "<a><a b><a b><xy>"},
    {"a ${EMPTY:-d} ${EMPTY} \"${NOPE:-d e}\"", "<a><d><><d e>"},
    {"a $${HOME} $$ $$$", "<a><${HOME}><$><$$>"},
    {"\"a\\\"b\" 'c\\d' e\\ f", "<a\"b><c\\d><e f>"},
    {"a \"tab\\there\" [x] *", "<a><tab\there><[x]><*>"},
};

START_TEST(c4_command_arrives_exactly)
{
	struct str text = {0}, words = {0};

	str_addf(&text, "[app:web]\ncommand = %s\n", commands[_i].written);
	load_text(text.data);
	for (char **a = conf->apps[0]->argv; *a; a++)
		str_addf(&words, "<%s>", *a);
	ck_assert_str_eq(words.data, commands[_i].words);
	str_free(&text);
	str_free(&words);
}
END_TEST

static const struct {
	const char *written, *value;
} variables[] = {
    {"plain ; # : = \"q\" 'r' \\n", "plain ; # : = \"q\" 'r' \\n"},
    {"  trimmed  ", "trimmed"},
    {"", ""},
    {"\"\"", ""},
    {"\"a\\nb\\t\\\"\\\\ \"", "a\nb\t\"\\ "},
    {"\"\\xff\\x80\"", "\xFF\x80"},
    {"${HOME}/x $HOME $$", "/home/x/x $HOME $"},
    {"\"${TWO}\"", "a b"},
    {"%(slot) %% %s", "%(slot) %% %s"},
    {"() { :; }", "() { :; }"},
};

START_TEST(c4_variable_arrives_exactly)
{
	struct str text = {0};

	str_addf(&text, APP "[env:web]\nBASH_FUNC_x%%%% = %s\n", variables[_i].written);
	load_text(text.data);
	ck_assert_str_eq(conf->apps[0]->env[0].name, "BASH_FUNC_x%%");
	ck_assert_str_eq(conf->apps[0]->env[0].value, variables[_i].value);
	str_free(&text);
}
END_TEST

START_TEST(c1_what_is_no_file_is_refused)
{
	ck_assert_int_eq(load(), -ENOENT);
	ck_assert_str_eq(errs.text[0], "b.conf: can't be read: No such file or directory");
	conf_errors_free(&errs);
	ck_assert_int_eq(mkdir("b.conf", 0700), 0);
	ck_assert_int_eq(load(), -EISDIR);
	ck_assert_str_eq(errs.text[0], "b.conf: is a directory; name a regular file");
	conf_errors_free(&errs);
	ck_assert_int_eq(rmdir("b.conf"), 0);
	ck_assert_int_eq(mkfifo("b.conf", 0600), 0);
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(errs.text[0], "b.conf: is a pipe; name a regular file");
	conf_errors_free(&errs);
	source.path = "/dev/null";
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(errs.text[0], "/dev/null: is a device; name a regular file");
	ck_assert_ptr_null(conf);
}
END_TEST

START_TEST(c1_unreadable_empty_and_huge_files_are_refused)
{
	write_text("b.conf", "");
	ck_assert_int_eq(load(), -EINVAL);
	ck_assert_str_eq(errs.text[0], "b.conf: is empty; see brood.conf(5) for what to put there");
	conf_errors_free(&errs);
	ck_assert_int_eq(truncate("b.conf", 1 << 30), 0);
	ck_assert_int_eq(load(), -EFBIG);
	ck_assert_str_eq(errs.text[0], "b.conf: is larger than 1 MiB; that is no configuration");
	conf_errors_free(&errs);
	if (geteuid() == 0)
		return;
	ck_assert_int_eq(chmod("b.conf", 0), 0);
	ck_assert_int_eq(load(), -EACCES);
	ck_assert_str_eq(errs.text[0], "b.conf: can't be read: Permission denied");
}
END_TEST

START_TEST(c1_the_label_stands_for_the_path)
{
	source.label = "command line";
	assert_refused("[app:web]\nx = 1\n", 16, "command line: unknown key x");
}
END_TEST

START_TEST(x4_a_file_that_others_may_write_is_refused)
{
	source.check_owner = true;
	load_text(APP);
	conf_unref(conf);
	conf = NULL;
	ck_assert_int_eq(chmod("b.conf", 0620), 0);
	ck_assert_int_eq(load(), -EPERM);
	ck_assert_str_eq(
	    errs.text[0], "b.conf: may be written by others (mode 0620); chmod go-w b.conf");
	conf_errors_free(&errs);
	ck_assert_int_eq(chmod("b.conf", 0600), 0);
	ck_assert_int_eq(chmod(".", 0770), 0);
	ck_assert_int_eq(load(), -EPERM);
	ck_assert_str_eq(errs.text[0], "b.conf: others may write to its directory; chmod go-w .");
	conf_errors_free(&errs);
	ck_assert_int_eq(chmod(".", 0700), 0);
	if (geteuid() != 0)
		return;
	ck_assert_int_eq(chown("b.conf", 12345, -1), 0);
	ck_assert_int_eq(load(), -EPERM);
	ck_assert_int_eq(strncmp(errs.text[0], "b.conf: belongs to user 12345; chown it", 39), 0);
}
END_TEST

START_TEST(a_memory_file_is_read_at_each_load)
{
	char path[32];
	int fd = memfd_create("conf", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, APP, strlen(APP)), (ssize_t)strlen(APP));
	source.check_owner = true;
	for (int i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), i == 2 ? "/proc/self/fd/%d" : "/dev/fd/%d", fd);
		source.path = path;
		ck_assert_int_eq(load(), 0);
		ck_assert_str_eq(conf->apps[0]->name, "web");
		conf_unref(conf);
		conf = NULL;
	}
	(void)close(fd);
}
END_TEST

START_TEST(c8_includes_come_in_place_sorted_and_relative)
{
	ck_assert_int_eq(mkdir("d", 0700), 0);
	ck_assert_int_eq(mkdir("d/[x]*", 0700), 0);
	write_text("d/b.conf", "[app:b]\n");
	write_text("d/a.conf", "[app:a]\n[env:last]\nA = 1\n");
	write_text("d/c.other", "nonsense");
	write_text("d/[x]*/y.conf", "include = z*.conf\n[app:y]\n");
	write_text("d/[x]*/z.conf", "[app:z]\n");
	load_text("include = d/*.conf\ninclude = none/*.conf\n[master]\ninclude = d/[[]x]?/y.conf\n"
	          "[app:last]\n");
	ck_assert_uint_eq(conf->apps_len, 5);
	ck_assert_str_eq(conf->apps[0]->name, "a");
	ck_assert_str_eq(conf->apps[1]->name, "b");
	ck_assert_str_eq(conf->apps[2]->name, "z");
	ck_assert_str_eq(conf->apps[3]->name, "y");
	ck_assert_str_eq(conf->apps[4]->name, "last");
	ck_assert_uint_eq(conf->apps[4]->env_len, 1);
}
END_TEST

START_TEST(c8_errors_name_the_included_file)
{
	write_text("x.conf", "[app:x]\nbad = 1\n");
	assert_refused("include = x.conf\n" APP "xyzzy = 1\n", 52,
	    "x.conf:2:1: unknown key bad in [app:x]; brood.conf(5) lists all keys\n"
	    "b.conf:4:1: unknown key xyzzy in [app:web]; brood.conf(5) lists all keys\n");
}
END_TEST

START_TEST(c8_a_long_loop_is_found)
{
	write_text("x.conf", "include = y.conf\n");
	write_text("y.conf", "include = x.conf\n");
	assert_refused("include = x.conf\n" APP, 41,
	    "y.conf:1:11: include: x.conf includes itself in a loop; remove one of the two\n");
}
END_TEST

START_TEST(c8_a_file_is_included_once)
{
	write_text("x.conf", "[app:x]\n");
	assert_refused("include = x.conf\ninclude = x.conf\n", 34,
	    "b.conf:2:11: include: x.conf was included already; remove one of the two\n");
}
END_TEST

START_TEST(c8_depth_is_limited)
{
	char name[8], text[32];

	for (int i = 0; i < 12; i++) {
		(void)snprintf(name, sizeof(name), "%d.conf", i);
		(void)snprintf(text, sizeof(text), "include = %d.conf\n", i + 1);
		write_text(name, text);
	}
	assert_refused("include = 0.conf\n" APP, 41,
	    "7.conf:1:11: include = 8.conf: more than 8 files deep\n");
}
END_TEST

START_TEST(env_file_comes_first_and_is_taken_as_it_is)
{
	const struct conf_app *app;
	char *text;

	write_text("w.env",
	    "# c\n\n A=1\r\nB='x y' \nexport C=\"a\\nb\"\nD=50%% of ${HOME} # no\nE=\nB=2\n");
	load_text(APP "env_file = w.env\n[env:web]\nA = own\nF = 6\n");
	app = conf->apps[0];
	ck_assert_uint_eq(app->env_len, 6);
	ck_assert_str_eq(app->env[0].value, "own");
	ck_assert_str_eq(app->env[1].value, "2");
	ck_assert_str_eq(app->env[2].value, "a\nb");
	text = conf_expand_worker(app->env[3].value, "web", 1, 1);
	ck_assert_str_eq(text, "50%% of ${HOME} # no");
	mem_free(text);
	ck_assert_str_eq(app->env[4].value, "");
	ck_assert_str_eq(app->env[5].name, "F");
}
END_TEST

START_TEST(env_file_with_a_fault_is_named)
{
	write_text("w.env", "A=1\nno value\n");
	assert_refused(APP "env_file = w.env\n", strlen(APP) + 17,
	    "w.env:2:1: no NAME=VALUE here; a comment begins with #\n");
}
END_TEST

START_TEST(f6_memory_ends_anywhere_in_includes_and_env_files)
{
	unsigned long calls;
	int r;

	ck_assert_int_eq(mkdir("d", 0700), 0);
	write_text("w.env", "A=1\nB='x y'\nC=50%\n");
	write_text("d/a.conf", "[app:a]\nenv_file = ../w.env\n");
	write_text("b.conf", "include = d/*.conf\ninclude = c.conf\n[app:web]\n");
	write_text("c.conf", "[app:c]\n");
	source.check_owner = true;
	for (unsigned long n = 1;; n++) {
		mem_fail_at(n, 1);
		r = load();
		calls = mem_calls();
		mem_fail_at(0, 0);
		ck_assert_int_eq(r, calls < n ? 0 : -ENOMEM);
		if (calls < n)
			break;
		ck_assert_ptr_null(conf);
		conf_errors_free(&errs);
	}
	ck_assert_uint_eq(conf->apps_len, 3);
	ck_assert_uint_eq(conf->apps[0]->env_len, 3);
}
END_TEST

START_TEST(everything_unset_has_its_default)
{
	const struct conf_app *a;

	load_text("[app:web]\n");
	a = conf->apps[0];
	ck_assert_ptr_nonnull(strstr(a->argv[0], "/brood-hello"));
	ck_assert_ptr_null(a->argv[1]);
	ck_assert_int_eq(a->line, 1);
	ck_assert(a->workers_auto && a->workers_mul == 1 && a->workers_add == 0);
	ck_assert(a->umask == -1 && a->nice == INT_MIN && a->oom_score_adj == INT_MIN);
	ck_assert(a->limit_nofile == CONF_LIMIT_NONE && a->limit_core == CONF_LIMIT_NONE);
	ck_assert(!a->user && !a->group && !a->directory && !a->cpu_affinity);
	ck_assert(a->no_new_privs && !a->inherit_env && a->listen_len == 0);
	ck_assert(a->balance == BALANCE_EVEN && a->take == TAKE_AUTO && a->ready == READY_AUTO);
	ck_assert(a->drain == DRAIN_AUTO && !a->ready_path && !a->probe_path);
	ck_assert(a->stall_after_ms == 3 && a->watchdog_ms == 0);
	ck_assert(a->probe_interval_ms == 10000 && a->probe_timeout_ms == 5000);
	ck_assert_uint_eq(a->probe_failures, 3);
	ck_assert(a->stop_signal == SIGTERM && a->abort_signal == SIGABRT);
	ck_assert_uint_eq(a->ready_timeout_ms, 60000);
	ck_assert_uint_eq(a->drain_delay_ms, 0);
	ck_assert_uint_eq(a->stop_timeout_ms, 30000);
	ck_assert_uint_eq(a->abort_timeout_ms, 2000);
	ck_assert_uint_eq(a->restart_delay_ms, 100);
	ck_assert_uint_eq(a->restart_delay_max_ms, 60000);
	ck_assert_uint_eq(a->restart_limit, 10);
	ck_assert_uint_eq(a->restart_window_ms, 60000);
	ck_assert_uint_eq(a->crash_burst, 5);
	ck_assert_uint_eq(a->crash_refill_ms, 2000);
	ck_assert(a->max_surge == 1 && a->max_unavailable == 0 && a->max_generations == 2);
	ck_assert_uint_eq(a->message_max, 65536);
	ck_assert_int_eq(conf->master.log_level, LOG_LEVEL_INFO);
	ck_assert(conf->master.exit_when == EXIT_WHEN_NEVER && !conf->master.exit_when_set);
}
END_TEST

START_TEST(steering_keys_are_taken)
{
	const struct conf_app *a;

	load_text("[app:web]\nlisten = 127.0.0.1:80\nlisten = unix:/x\nbalance = cpu\n"
	          "ready = http:/r?a=%41$\ndrain = quiet\nstall_after = 20ms\nwatchdog = 1m\n"
	          "probe = http:/healthz\nprobe_interval = 1s\nprobe_timeout = 30ms\n"
	          "probe_failures = 1\n[app:d]\nlisten = unix:/d\nbalance = dispatch\n"
	          "[app:e]\nprobe = none\n");
	a = conf->apps[0];
	ck_assert(a->balance == BALANCE_CPU && a->ready == READY_HTTP && a->drain == DRAIN_QUIET);
	ck_assert_str_eq(a->ready_path, "/r?a=%41$");
	ck_assert_str_eq(a->probe_path, "/healthz");
	ck_assert(a->stall_after_ms == 20 && a->watchdog_ms == 60000);
	ck_assert(a->probe_interval_ms == 1000 && a->probe_timeout_ms == 30);
	ck_assert_uint_eq(a->probe_failures, 1);
	ck_assert_int_eq(conf->apps[1]->balance, BALANCE_DISPATCH);
	ck_assert_ptr_null(conf->apps[2]->probe_path);
}
END_TEST

START_TEST(hello_can_be_somewhere_else)
{
	static char *const env[] = {"BROOD_HELLO=/b/hello", NULL};

	source.environ = env;
	load_text("[app:web]\n");
	ck_assert_str_eq(conf->apps[0]->argv[0], "/b/hello");
}
END_TEST

START_TEST(web_concurrency_counts_where_workers_is_not_set)
{
	static char *const env[] = {"WEB_CONCURRENCY=3", NULL}, *const bad[] = {
	                                                            "WEB_CONCURRENCY=x", NULL};

	source.environ = env;
	load_text("[app:a]\n[app:b]\nworkers = 5\n[app:c]\nworkers = auto\n");
	ck_assert_uint_eq(conf_app_workers(conf->apps[0], 8), 3);
	ck_assert_uint_eq(conf_app_workers(conf->apps[1], 8), 5);
	ck_assert_uint_eq(conf_app_workers(conf->apps[2], 8), 8);
	conf_unref(conf);
	conf = NULL;
	source.environ = bad;
	assert_refused("[app:a]\n", 8,
	    "b.conf:1:2: [app:a] has no workers, and WEB_CONCURRENCY=x of "
	    "the environment is no number");
}
END_TEST

static const struct {
	const char *written;
	unsigned on_4;
} counts[] = {{"auto", 4}, {"auto*2", 8}, {"auto-1", 3}, {"auto+3", 7}, {"auto*2-1", 7},
    {"auto-9", 1}, {"0", 0}, {"1", 1}, {"4096", 4096}, {"auto*4096", 4096}};

START_TEST(workers_are_counted)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "[app:a]\nworkers = %s\n", counts[_i].written);
	load_text(text);
	ck_assert_uint_eq(conf_app_workers(conf->apps[0], 4), counts[_i].on_4);
}
END_TEST

static const struct {
	const char *text, *expanded;
} expansions[] = {{"", ""}, {"a%(slot)b", "a3b"}, {"%(app).%(slot)@%(generation)", "web.3@7"},
    {"100%% %s %", "100% %s %"}, {"%%(slot)", "%(slot)"}, {"%(other) %(slot", "%(other) %(slot"},
    {"%%%(slot)", "%3"}};

START_TEST(worker_variables_are_filled_in)
{
	char *text = conf_expand_worker(expansions[_i].text, "web", 3, 7);

	ck_assert_str_eq(text, expansions[_i].expanded);
	mem_free(text);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

int
main(void)
{
	const TTest *const tests[] = {c3_nul_is_refused,
	    c3_line_too_long_is_refused_and_one_that_is_not_arrives_whole,
	    c4_the_tail_of_a_long_line_is_no_key, c3_bom_and_crlf_are_accepted,
	    c3_the_last_line_needs_no_end, c1_what_is_no_file_is_refused,
	    c1_unreadable_empty_and_huge_files_are_refused, c1_the_label_stands_for_the_path,
	    x4_a_file_that_others_may_write_is_refused, a_memory_file_is_read_at_each_load,
	    c8_includes_come_in_place_sorted_and_relative, c8_errors_name_the_included_file,
	    c8_a_long_loop_is_found, c8_a_file_is_included_once, c8_depth_is_limited,
	    env_file_comes_first_and_is_taken_as_it_is, env_file_with_a_fault_is_named,
	    f6_memory_ends_anywhere_in_includes_and_env_files, everything_unset_has_its_default,
	    steering_keys_are_taken, hello_can_be_somewhere_else,
	    web_concurrency_counts_where_workers_is_not_set};
	Suite *s = suite_create("conf");
	TCase *t = tcase_create("conf");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, fault_is_named_with_place_and_remedy, 0, ROWS(faults));
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(t, tests[i]);
	tcase_add_loop_test(t, c4_command_arrives_exactly, 0, ROWS(commands));
	tcase_add_loop_test(t, c4_variable_arrives_exactly, 0, ROWS(variables));
	tcase_add_loop_test(t, workers_are_counted, 0, ROWS(counts));
	tcase_add_loop_test(t, worker_variables_are_filled_in, 0, ROWS(expansions));
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
