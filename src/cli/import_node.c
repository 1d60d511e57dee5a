/*
 * import_node: what only node can read, an ecosystem file in JavaScript or YAML, as JSON. The file
 * is code of the user's own and is run as PM2 would run it; but its output is capped, its time has
 * an end, and no shell is in between.
 */
#include "cli/import_node.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "import/import.h"
#include "cli/interrupt.h"
#include "cli/verb.h"

#define COMPLAINT_MAX 2000
#define RESULT_FD     3
#define EXIT_NO_YAML  3
#define EXIT_NO_NODE  127

/* The value is written to descriptor 3, so that what the file prints is not in it. */
#define PUT                                                                                  \
	"const fs = require('fs'), file = process.argv[1];"                                  \
	"const put = (v) => {"                                                               \
	"  if (v && v.default && !v.apps) v = v.default;"                                    \
	"  const text = JSON.stringify(v, (k, x) => typeof x === 'bigint' ? String(x) : x);" \
	"  if (text === undefined) throw new Error('it exports nothing that is data');"      \
	"  const b = Buffer.from(text);"                                                     \
	"  for (let i = 0; i < b.length;) i += fs.writeSync(3, b, i);"                       \
	"  process.exit(0);"                                                                 \
	"};"                                                                                 \
	"const fail = (e) => {"                                                              \
	"  fs.writeSync(2, String(e && e.stack || e) + '\\n');"                              \
	"  process.exit(1);"                                                                 \
	"};"

/* What require() refuses may be a module. */
static const char read_module[] =
    PUT "(async () => {"
        "  const load = () => import(require('url').pathToFileURL(file).href);"
        "  if (file.endsWith('.mjs')) return put(await load());"
        "  let m;"
        "  try { m = require(file); }"
        "  catch (e) {"
        "    if (!e || (e.code !== 'ERR_REQUIRE_ESM' && !(e instanceof SyntaxError))) throw e;"
        "    try { m = await load(); } catch (again) { throw e.code ? again : e; }"
        "  }"
        "  put(m);"
        "})().catch(fail);";

/* The package is looked for beside the file, and within a PM2 that is installed with this node. */
static const char read_yaml[] =
    PUT "const path = require('path'), from = require('module').createRequire;"
        "const pm2 = path.join(process.execPath, '../../lib/node_modules/pm2/package.json');"
        "let yaml;"
        "for (const at of [file, pm2])"
        "  try { yaml = yaml || from(at)('js-yaml'); } catch (e) {}"
        "if (!yaml) process.exit(3);"
        "try { put(yaml.load(fs.readFileSync(file, 'utf8'))); } catch (e) { fail(e); }";

struct ask {
	pid_t pid;
	int result_fd, err_fd;
	struct str complaint;
	const char *stopped; /* why it was */
	int code; /* exit code for that, 0: CLI_FAILED */
};

/* In the child, between fork and exec. result and err are above 3. */
static void
become_node(const char *code, const char *path, int result, int err)
{
	const char *argv[] = {"node", "-e", code, path, NULL};
	int null_fd = open("/dev/null", O_RDWR);

	(void)setpgid(0, 0);
	interrupt_done();
	(void)signal(SIGPIPE, SIG_DFL);
	/* dup2() onto 3 clears close-on-exec. */
	if (null_fd < 0 || dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(err, 2) < 0 ||
	    dup2(result, RESULT_FD) < 0)
		_exit(EXIT_NO_NODE);
	(void)execvp("node", (char *const *)argv);
	_exit(EXIT_NO_NODE);
}

/* A pipe whose ends are above what the child rearranges. */
static int
make_pipe(int ret[2])
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		ret[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
		(void)close(fds[i]);
	}
	if (ret[0] >= 0 && ret[1] >= 0)
		return 0;
	fd_close(&ret[0]);
	fd_close(&ret[1]);
	return -EMFILE;
}

static int
start(struct ask *a, const char *code, const char *path)
{
	int result[2] = {-1, -1}, err[2] = {-1, -1};
	int r = make_pipe(result);

	if (r == 0)
		r = make_pipe(err);
	if (r == 0) {
		a->pid = fork();
		if (a->pid == 0)
			become_node(code, path, result[1], err[1]);
		r = a->pid < 0 ? -errno : 0;
	}
	fd_close(&result[1]);
	fd_close(&err[1]);
	a->result_fd = result[0];
	a->err_fd = err[0];
	return r;
}

/* Reads what is there; false at the end. What goes beyond most is dropped. */
static bool
read_some(int fd, struct str *to, size_t most)
{
	char buf[16384];
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n > 0 && to->len < most)
		str_add_n(to, buf, (size_t)n < most - to->len ? (size_t)n : most - to->len);
	return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Until the result has ended, which is when node has. */
static void
listen_to(struct ask *a, uint64_t end, struct str *result)
{
	while (a->result_fd >= 0 && !a->stopped) {
		struct pollfd fds[] = {{a->result_fd, POLLIN, 0}, {a->err_fd, POLLIN, 0}};
		uint64_t now = clock_now_us();

		if (now >= end) {
			a->stopped = "its time is up; --timeout gives it more";
			a->code = CLI_TIMEOUT;
			break;
		}
		if (interrupt_pending()) {
			a->stopped = "interrupted";
			break;
		}
		if (poll(fds, 2, (int)((end - now) / 1000) + 1) < 0)
			continue;
		if (fds[1].revents && !read_some(a->err_fd, &a->complaint, COMPLAINT_MAX))
			fd_close(&a->err_fd);
		if (fds[0].revents && !read_some(a->result_fd, result, IMPORT_FILE_MAX + 1))
			fd_close(&a->result_fd);
		if (result->len > IMPORT_FILE_MAX)
			a->stopped = "what it exports is larger than 1 MiB";
	}
}

/* Ends whatever is left of it. The exit code, or -1. */
static int
finish(struct ask *a)
{
	int status = 0;

	if (a->stopped)
		(void)kill(-a->pid, SIGKILL);
	while (waitpid(a->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	/* Processes that the file started, as far as they stayed with it. */
	(void)kill(-a->pid, SIGKILL);
	while (a->err_fd >= 0) {
		struct pollfd fd = {a->err_fd, POLLIN, 0};

		if (poll(&fd, 1, 0) <= 0 || !read_some(a->err_fd, &a->complaint, COMPLAINT_MAX))
			fd_close(&a->err_fd);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
explain(const struct ask *a, const char *path, bool yaml, int code, struct failure *f)
{
	if (a->stopped)
		return failure_set(f, a->code ? a->code : CLI_FAILED, "%s: %s", path, a->stopped);
	if (code == EXIT_NO_NODE)
		return failure_set(f, CLI_FAILED,
		    "%s: node is needed to read this file, and is not in PATH; where it is, make "
		    "JSON "
		    "of it: node -p 'JSON.stringify(require(\"%s\"))' > ecosystem.json",
		    path, path);
	if (yaml && code == EXIT_NO_YAML)
		return failure_set(f, CLI_FAILED,
		    "%s: nothing here reads YAML (the package js-yaml is not beside the file); "
		    "make "
		    "JSON of it: npx js-yaml %s > ecosystem.json",
		    path, path);
	failure_set(f, CLI_CONFIG, "%s: %s", path,
	    a->complaint.len > 0 ? "node could not read it"
	                         : "it ended node before anything was exported");
	str_add(&f->last_words, str_text(&a->complaint));
	return -1;
}

int
import_ask_node(const char *path, bool yaml, uint64_t deadline_us, json_t **ret, struct failure *f)
{
	struct ask a = {.result_fd = -1, .err_fd = -1};
	struct str result = {0};
	json_error_t e;
	int code, r = start(&a, yaml ? read_yaml : read_module, path);

	if (r < 0)
		r = failure_set(f, CLI_SYSTEM, "cannot start node: %s", strerror(-r));
	else {
		listen_to(&a, deadline_us, &result);
		code = finish(&a);
		*ret = a.stopped || code != 0
		           ? NULL
		           : json_loadb(str_text(&result), result.len, JSON_DECODE_ANY, &e);
		r = *ret ? 0 : explain(&a, path, yaml, code, f);
	}
	fd_close(&a.result_fd);
	fd_close(&a.err_fd);
	str_free(&result);
	str_free(&a.complaint);
	return r;
}
