/*
 * check_conf_print: what is printed loads back to the same; the schema holds together; what
 * differs is found; and where memory ends at any allocation, nothing is lost or broken (F6).
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "conf/internal.h"

static char *const environment[] = {"HOME=/home/x", "WEB_CONCURRENCY=3", NULL};

/* From a memory file, so that no test needs a directory. */
static int
load(const char *text, struct conf **ret, struct conf_errors *errs)
{
	struct conf_source source = {.label = "test", .environ = environment};
	int fd = memfd_create("conf", MFD_CLOEXEC), r;
	char path[32];

	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	source.path = path;
	r = conf_load(&source, ret, errs);
	(void)close(fd);
	return r;
}

static struct conf *
must_load(const char *text)
{
	struct conf_errors errs = {0};
	struct conf *c = NULL;

	if (load(text, &c, &errs))
		ck_abort_msg("%s in\n%s", errs.len ? errs.text[0] : "no memory", text);
	return c;
}

static void
assert_same(const struct conf *a, const struct conf *b)
{
	struct str out = {0}, one = {0}, other = {0};

	ck_assert_uint_eq(a->apps_len, b->apps_len);
	for (size_t i = 0; i < a->apps_len; i++) {
		ck_assert_str_eq(a->apps[i]->name, b->apps[i]->name);
		if (conf_app_diff(a->apps[i], b->apps[i], &out))
			ck_abort_msg("differ in %s", str_text(&out));
	}
	ck_assert_int_eq(a->master.exit_when_set, b->master.exit_when_set);
	conf_print(a, true, true, &one);
	conf_print(b, true, true, &other);
	ck_assert_str_eq(one.data, other.data);
	str_free(&out);
	str_free(&one);
	str_free(&other);
}

static void
assert_prints_back(const char *text)
{
	struct conf *first = must_load(text), *again;
	struct str out = {0};

	for (int all = 0; all < 2; all++) {
		str_reset(&out);
		conf_print(first, all, true, &out);
		again = must_load(out.data);
		assert_same(first, again);
		conf_unref(again);
	}
	conf_unref(first);
	str_free(&out);
}

/* Each key with a value that is not its default; drawn from by the tests below. */
static const char *const lines[] = {
    "command = node 'a b' \"c\\n\\x01\" $HOME $${X} $$$$ %(slot) %% ''",
    "directory = /a b;c # $$$${ $$$$ $", "inherit_env = true", "user = u", "group = 7",
    "umask = 027", "umask = 0000", "limit_nofile = 99", "limit_core = unlimited",
    "limit_core = 1536K", "limit_core = 0", "nice = -5", "nice = 0", "cpu_affinity = 0-3, 8",
    "oom_score_adj = -1000", "no_new_privs = off", "workers = auto", "workers = auto*2-1",
    "workers = 0", "listen = *:8080?name=x&backlog=3", "listen = unix:/a b?mode=0660&owner=u",
    "balance = shared", "take = fds", "nonblocking = no", "ready = fd:90", "ready = delay:1500ms",
    "ready = notify", "ready_timeout = 90s", "drain = self", "drain_delay = 1500ms",
    "stop_signal = SIGRTMIN+3", "stop_timeout = 0", "abort_signal = 9", "abort_timeout = 1h",
    "restart = on-failure", "no_restart_codes = 255,0, 3-5", "restart_delay = 1ms",
    "restart_delay_max = 1h", "restart_limit = 3/90s", "restart_limit = none", "crash_burst = 0",
    "crash_refill = 3", "max_surge = 4", "max_unavailable = 2", "max_generations = 3",
    "stall_after = 1s", "watchdog = 90s", "probe = none", "probe_interval = 1500ms",
    "probe_timeout = 1m", "probe_failures = 1", "message_max = 1M", "orphans = leave",
    "log = file:/a b $HOME", "log = none", "log_line_max = 200", "log_overflow = drop"};
#define LINES (sizeof(lines) / sizeof(lines[0]))

static size_t
key_length(const char *line)
{
	return strcspn(line, " ");
}

START_TEST(every_key_prints_back)
{
	struct str text = {0};

	str_addf(&text, "[app:web]\nrestart_delay_max = 2h\n");
	if (strncmp(lines[_i], "restart_delay_max", 17) == 0)
		str_reset(&text), str_add(&text, "[app:web]\n");
	str_addf(&text, "%s\n", lines[_i]);
	assert_prints_back(text.data);
	str_free(&text);
}
END_TEST

/* These need each other, so that no mixture holds them. */
START_TEST(what_needs_a_steered_address_prints_back)
{
	static const char *const balances[] = {"even", "sticky", "cpu"};
	struct str text = {0};

	for (size_t i = 0; i < sizeof(balances) / sizeof(balances[0]); i++) {
		str_reset(&text);
		str_addf(&text,
		    "[app:web]\nlisten = *:1\nbalance = %s\ndrain = quiet\nready = %s\n"
		    "probe = http:/$$$${/%%41?x\n",
		    balances[i], i == 0 ? "tcp" : "http:/$${a}$");
		assert_prints_back(text.data);
	}
	assert_prints_back("[app:web]\nlisten = *:1\nbalance = kernel\n");
	assert_prints_back("[app:web]\nlisten = unix:/x\nbalance = dispatch\n");
	str_free(&text);
}
END_TEST

START_TEST(any_mixture_of_keys_prints_back)
{
	uint64_t seed = 11;

	for (int round = 0; round < 300; round++) {
		struct str text = {0}, word = {0};
		size_t last = LINES;

		str_add(&text, "[master]\nname = x\nlog = file:/l\nlog_level = debug\n"
		               "log_format = json\n");
		if (round % 2)
			str_add(&text, "control_group = g\nrun_dir = /r\nexit_when = never\n");
		str_add(&text, "[app:web]\n");
		for (size_t i = 0; i < LINES; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			/* One line of those that set the same key. */
			if ((seed >> 40) % 2 ||
			    (last < LINES && key_length(lines[i]) == key_length(lines[last]) &&
			        strncmp(lines[i], lines[last], key_length(lines[i])) == 0))
				continue;
			str_addf(&text, "%s\n", lines[i]);
			last = i;
		}
		str_add(&text, "[env:web]\n");
		for (int i = 0; i < 5; i++) {
			char value[20];
			size_t len = (seed >> (i * 3)) % 19;

			for (size_t k = 0; k < len; k++) {
				seed = seed * 6364136223846793005u + 1442695040888963407u;
				value[k] = (char)(1 + (seed >> 40) % 255);
			}
			value[len] = '\0';
			str_reset(&word);
			env_add_value(&word, value);
			str_addf(&text, "V%d = %s\n", i, str_text(&word));
		}
		assert_prints_back(text.data);
		str_free(&text);
		str_free(&word);
	}
}
END_TEST

START_TEST(secrets_are_not_shown)
{
	struct conf *c = must_load("[app:web]\n[env:web]\nTOKEN = hunter2\n");
	struct str out = {0};

	conf_print(c, false, false, &out);
	ck_assert_ptr_nonnull(strstr(out.data, "[env:web]\nTOKEN = ***\n"));
	ck_assert_ptr_null(strstr(out.data, "hunter2"));
	str_free(&out);
	conf_unref(c);
}
END_TEST

START_TEST(the_sample_loads_also_with_every_key_turned_on)
{
	struct str sample = {0}, on = {0};
	char *rest, *line;
	size_t keys = 0;

	conf_print_sample(&sample);
	conf_unref(must_load(sample.data));
	rest = sample.data;
	while ((line = strsep(&rest, "\n"))) {
		bool off = line[0] == '#' && line[1] != ' ' && line[1] != '\0';

		keys += off;
		/* These two name files. */
		if (strncmp(line, "#include", 8) != 0 && strncmp(line, "#env_file", 9) != 0)
			str_addf(&on, "%s\n", line + off);
	}
	ck_assert_uint_eq(keys, schema_len - 1 + 2);
	conf_unref(must_load(on.data));
	str_free(&sample);
	str_free(&on);
}
END_TEST

START_TEST(every_default_is_written_as_it_prints)
{
	struct conf *c = must_load("[app:web]\nworkers = auto\n");

	for (size_t i = 0; i < schema_len; i++) {
		const struct key *key = &schema[i];
		const void *base =
		    key->section == SECTION_APP ? (void *)c->apps[0] : (void *)&c->master;
		struct str out = {0};

		key->type->print(key, base, &out);
		if (key->def)
			ck_assert_str_eq(str_text(&out), key->def);
		else if (key->type != &type_argv)
			ck_assert_str_eq(str_text(&out), "");
		ck_assert_msg(key->def || key->sample, "%s has nothing to show", key->name);
		ck_assert(schema_find(key->section, key->name) == i);
		str_free(&out);
	}
	conf_unref(c);
}
END_TEST

START_TEST(the_list_of_keys_has_six_columns)
{
	struct str out = {0};
	char *rest, *line;
	size_t n = 0;

	conf_print_schema(&out);
	for (rest = out.data; (line = strsep(&rest, "\n")) && *line; n++) {
		size_t tabs = 0;

		for (const char *c = line; *c; c++)
			tabs += *c == '\t';
		ck_assert_uint_eq(tabs, 5);
	}
	ck_assert_uint_eq(n, schema_len);
	str_free(&out);
}
END_TEST

START_TEST(c7_what_differs_is_named)
{
	struct conf *a = must_load("[app:web]\ncommand = a\nworkers = 8\nlisten = *:1\n"
	                           "[env:web]\nA = 1\n"),
	            *b = must_load(
	                "[app:web]\ncommand = a b\nworkers = 8\nlisten = *:1\nlisten = *:2\n"
	                "user = x\n[env:web]\nA = 2\n");
	struct str out = {0};

	ck_assert_uint_eq(conf_app_diff(a->apps[0], b->apps[0], &out), 4);
	ck_assert_str_eq(out.data, "command, user, listen, env");
	str_reset(&out);
	ck_assert_uint_eq(conf_app_diff(a->apps[0], a->apps[0], &out), 0);
	ck_assert_str_eq(str_text(&out), "");
	str_free(&out);
	conf_unref(a);
	conf_unref(b);
}
END_TEST

START_TEST(references_are_counted)
{
	struct conf *c = must_load("[app:web]\n");

	ck_assert_ptr_eq(conf_ref(c), c);
	conf_unref(c);
	ck_assert_ptr_eq(conf_find_app(c, "web"), c->apps[0]);
	ck_assert_ptr_null(conf_find_app(c, "we"));
	conf_unref(c);
	conf_unref(NULL);
}
END_TEST

/* Fails the n-th allocation, and in a second walk all from the n-th on, until there are no more. */
static void
walk(const char *text, int expected)
{
	for (unsigned long times = 1; times != 0; times = times == 1 ? 100000 : 0) {
		for (unsigned long n = 1;; n++) {
			struct conf_errors errs = {0};
			struct conf *c = NULL;
			unsigned long calls;
			int r;

			mem_fail_at(n, times);
			r = load(text, &c, &errs);
			calls = mem_calls();
			mem_fail_at(0, 0);
			ck_assert_msg(
			    r == -ENOMEM || (calls < n && r == expected), "%d at %lu", r, n);
			ck_assert((c != NULL) == (r == 0));
			conf_unref(c);
			conf_errors_free(&errs);
			if (calls < n)
				break;
		}
	}
}

START_TEST(f6_memory_ends_anywhere_in_a_good_file)
{
	struct str text = {0};

	str_add(&text, "[master]\nname = x\nlog = file:/x\nrun_dir = /r\ncontrol_group = g\n"
	               "[app:b]\n[app:web]\n");
	for (size_t i = 0; i < LINES; i++) {
		if (i == 0 || key_length(lines[i]) != key_length(lines[i - 1]) ||
		    strncmp(lines[i], lines[i - 1], key_length(lines[i])) != 0)
			str_addf(&text, "%s\n", lines[i]);
	}
	str_add(&text, "[env:web]\nA = 1\nB = \"a\\nb\"\nC = ${HOME}\n"
	               "[app:s]\nlisten = *:1\nready = http:/r\nprobe = http:/p\n");
	walk(text.data, 0);
	str_free(&text);
}
END_TEST

START_TEST(f6_memory_ends_anywhere_in_a_bad_file)
{
	walk("x = 1\n[mster]\n[app:web]\nwrokers = 1\nuser = ${NOPE}\ncommand = 'a\nlisten = 80\n"
	     "listen = *:1\nlisten = *:1\nnice = x\nrestart = alwys\nready = fd:2\n a\n[app:web]\n"
	     "[env:wbe]\n[env:web]\nA = \"\nA = ${NOPE}\nenv_file = /nonexistent\n[app:x]\n"
	     "env_file = /nonexistent\nmax_surge = 0\ninclude = x\n",
	    -EINVAL);
}
END_TEST

START_TEST(f6_memory_ends_while_printing)
{
	struct conf *c =
	    must_load("[app:web]\ncommand = a 'b c'\nlisten = *:1\n[env:web]\nA = \"\\n\"\n");

	for (unsigned long n = 1;; n++) {
		struct str out = {0};
		unsigned long calls;

		mem_fail_at(n, 1);
		conf_print(c, true, true, &out);
		calls = mem_calls();
		mem_fail_at(0, 0);
		ck_assert(str_failed(&out) == (calls >= n));
		str_free(&out);
		if (calls < n)
			break;
	}
	conf_unref(c);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {what_needs_a_steered_address_prints_back,
	    any_mixture_of_keys_prints_back, secrets_are_not_shown,
	    the_sample_loads_also_with_every_key_turned_on, every_default_is_written_as_it_prints,
	    the_list_of_keys_has_six_columns, c7_what_differs_is_named, references_are_counted,
	    f6_memory_ends_anywhere_in_a_good_file, f6_memory_ends_anywhere_in_a_bad_file,
	    f6_memory_ends_while_printing};
	Suite *s = suite_create("conf_print");
	TCase *t = tcase_create("conf_print");
	SRunner *r;
	int failed;

	tcase_add_loop_test(t, every_key_prints_back, 0, (int)LINES);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(t, tests[i]);
	tcase_set_timeout(t, 60);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
