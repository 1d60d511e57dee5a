/*
 * brood.h: libbrood, event-loop workers in C. What the functions take, own and return, and what may
 * be called from where, is in libbrood(3); here is what there is.
 *
 *	static void
 *	hello(struct brood_request *r, void *data)
 *	{
 *		brood_respond(r, 200, "text/plain", "hello\n", 6);
 *	}
 *
 *	int
 *	main(void)
 *	{
 *		return brood_serve(&(struct brood_service){.on_request = hello, .port = 8080});
 *	}
 *
 * Started by brood(1) this is a worker among others behind one port; started by hand it binds the
 * port itself. A loop belongs to the thread that made it, and all that is said to it is said by
 * that thread; brood_post() and the brood_port_ functions are the ways in from others. Functions
 * that return int return 0, or what they count, or a negative errno, unless they say otherwise;
 * those that return a pointer or an id return NULL or 0 with errno set.
 */
#ifndef BROOD_H
#define BROOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;

const char *brood_version(void);

/* --- the loop: timers, pending, idle and prepare, poll, check, close ------------------------- */

struct brood_loop;
typedef void brood_fn(struct brood_loop *loop, void *arg);

struct brood_loop *brood_loop_new(void);
void brood_loop_free(struct brood_loop *loop);
/* Until nothing that is referenced is left. Returns an exit code: 0, or that of brood_stop(),
 * 1 for an error that nobody handled, 13 for a main task that never came to its end. */
int brood_run(struct brood_loop *loop);
/* Ends brood_run() after the callback that runs now. */
void brood_stop(struct brood_loop *loop, int code);
/* Milliseconds, as of the beginning of this turn. */
uint64_t brood_now(const struct brood_loop *loop);

/* After the callback that runs now: ticks first, then microtasks, until both queues are empty. */
int brood_next_tick(struct brood_loop *loop, brood_fn *fn, void *arg);
int brood_microtask(struct brood_loop *loop, brood_fn *fn, void *arg);

/* A timer or an immediate that has run, or was cleared, may be cleared again: nothing happens. */
typedef uint64_t brood_id;
brood_id brood_set_immediate(struct brood_loop *loop, brood_fn *fn, void *arg);
brood_id brood_set_timeout(struct brood_loop *loop, uint64_t ms, brood_fn *fn, void *arg);
brood_id brood_set_interval(struct brood_loop *loop, uint64_t ms, brood_fn *fn, void *arg);
void brood_clear(struct brood_loop *loop, brood_id id);
/* Begins the timer's time anew. False: there is no such timer any more. */
bool brood_refresh(struct brood_loop *loop, brood_id id);
/* Whether it keeps brood_run() from returning. */
void brood_ref(struct brood_loop *loop, brood_id id);
void brood_unref(struct brood_loop *loop, brood_id id);

/* From any thread: fn runs in the loop's next turn. */
int brood_post(struct brood_loop *loop, brood_fn *fn, void *arg);

/* An error that nobody handles ends brood_run() with 1, unless the loop has a handler. */
void brood_raise(struct brood_loop *loop, int error, const char *what);
void brood_on_error(struct brood_loop *loop,
    void (*fn)(struct brood_loop *loop, int error, const char *what, void *arg), void *arg);

/* For callbacks of libuv handles of your own: each begins with enter and ends with leave. */
struct uv_loop_s *brood_uv(struct brood_loop *loop);
void brood_enter(struct brood_loop *loop);
void brood_leave(struct brood_loop *loop);

struct brood_loop_stats {
	uint64_t turns, ticks, microtasks, timers, immediates;
	uint64_t busy_us;	/* not asleep */
	uint64_t lag_us;	/* longest turn since the last call */
	uint64_t starved;	/* times that ticks and microtasks held up the loop for 10 ms and more */
	uint64_t offloads, offloads_waiting, offloads_queued_us, offloads_longest_queued_us;
	uint64_t pool_size;
	uint64_t tasks, tasks_alive, stacks_bytes, stacks_without_guard;
};
void brood_loop_stats(struct brood_loop *loop, struct brood_loop_stats *ret);

/* --- off the loop ---------------------------------------------------------------------------- */

/* work runs in the pool (UV_THREADPOOL_SIZE threads), then done in the loop with what it returned;
 * cancelled before it began: with -ECANCELED. */
typedef int brood_work_fn(void *arg);
typedef void brood_done_fn(struct brood_loop *loop, int result, void *arg);
brood_id brood_offload(struct brood_loop *loop, brood_work_fn *work, brood_done_fn *done, void *arg);
/* 0: done gets -ECANCELED. -EBUSY: it runs, and ends by itself. -ESRCH: it has ended. */
int brood_offload_cancel(struct brood_loop *loop, brood_id id);

/* Two ports are the ends of one line. A message is text, copied, or a buffer that changes hands.
 * Any thread may send; listening and closing is for that of the port's loop. */
struct brood_port;
struct brood_message {
	char *data;		/* text has a zero after len bytes */
	size_t len;
	bool is_text;
	void (*free_data)(void *data);	/* NULL: not owned */
};
typedef void brood_message_fn(struct brood_port *port, struct brood_message *m, void *arg);
/* -EPIPE: the other end is closed. What could not be sent stays yours. */
int brood_port_send(struct brood_port *port, const char *text, size_t len);
int brood_port_move(struct brood_port *port, void *data, size_t len, void (*free_data)(void *));
/* The message is freed after fn, unless fn sets m->data to NULL. fn NULL: messages wait. Listening
 * keeps brood_run() from returning for as long as something may come. */
void brood_port_listen(struct brood_port *port, brood_message_fn *fn, void *arg);
void brood_port_close(struct brood_port *port);
struct brood_loop *brood_port_loop(const struct brood_port *port);

/* A thread with a loop of its own. fn runs there first, then the loop; the thread ends when that
 * has nothing left, with the exit code of brood_run(), or of fn where it is not 0. on_exit comes
 * once, after the last message, with the error that nobody handled there or NULL; the thread and
 * its port are gone after it. Until then brood_run() does not return. */
struct brood_thread;
typedef int brood_thread_fn(struct brood_loop *loop, struct brood_port *parent, void *arg);
typedef void brood_thread_exit_fn(struct brood_loop *loop, struct brood_thread *thread, int code,
    const char *error, void *arg);
struct brood_thread *brood_thread_start(struct brood_loop *loop, brood_thread_fn *fn,
    brood_thread_exit_fn *on_exit, void *arg);
struct brood_port *brood_thread_port(struct brood_thread *thread);
/* Its loop ends after the callback that runs there now; on_exit comes as always, with code 1. */
void brood_thread_terminate(struct brood_thread *thread);

/* A child is gone after on_exit. SIGCHLD is the loop's. brood_loop_free() lets children go on. */
struct brood_child;
enum { BROOD_CHILD_NULL = -1, BROOD_CHILD_PIPE = -2 };
struct brood_child_options {
	const char *const *argv;	/* argv[0] is looked for in PATH */
	const char *const *env;		/* NULL: ours */
	const char *directory;		/* NULL: ours */
	int fds[3];			/* a descriptor of ours, _NULL or _PIPE */
	void (*on_exit)(struct brood_child *child, int status, void *arg); /* as of wait(2) */
	void *arg;
};
struct brood_child *brood_child_start(struct brood_loop *loop, const struct brood_child_options *o);
pid_t brood_child_pid(const struct brood_child *child);
/* Our end of a pipe, yours to close, nonblocking; once. -1: none. */
int brood_child_take_fd(struct brood_child *child, int which);
int brood_child_kill(struct brood_child *child, int signo);

/* --- tasks: straight-line code that waits without holding up the loop ------------------------- */

struct brood_task;
/* What it returns is the task's result; negative: an errno, which somebody has to join for, or it
 * is raised. */
typedef int brood_task_fn(void *arg);
/* Runs fn at once, up to where it waits first. stack 0: 64 KiB of addresses, of which what is
 * touched is memory. The task is freed when it has ended and was joined or detached. */
struct brood_task *brood_go(struct brood_loop *loop, size_t stack, brood_task_fn *fn, void *arg);
/* Nobody will join it: its errors are raised. */
void brood_detach(struct brood_task *task);
/* The task whose result is that of brood_run(). */
struct brood_task *brood_main(struct brood_loop *loop, brood_task_fn *fn, void *arg);
/* What it waits for returns -ECANCELED, now and from now on. */
void brood_cancel(struct brood_task *task);

/* These wait, so only a task may call them. All return -ECANCELED when it was cancelled and
 * -ETIMEDOUT after its deadline. */
struct brood_task *brood_self(void); /* NULL: not in a task */
/* Milliseconds from now until each wait fails; 0: none. */
void brood_deadline(uint64_t ms);
int brood_sleep(uint64_t ms);
int brood_yield(void); /* to the next turn */
ssize_t brood_read(int fd, void *data, size_t len);
ssize_t brood_write(int fd, const void *data, size_t len); /* all of it */
int brood_accept(int fd);
int brood_connect(int fd, const struct sockaddr *addr, socklen_t len);
/* Closes what tasks have waited on; whoever waits on it gets -EBADF. Needs no task. */
int brood_close(struct brood_loop *loop, int fd);
int brood_offload_wait(brood_work_fn *work, void *arg);
/* Joining frees them: they have ended when it returns. One that is cancelled or late cancels them
 * and waits on. NULL is a task that had no memory.
 * brood_all: 0, or the first error, and then the others are cancelled.
 * brood_any: the first to succeed by its place, and the others are cancelled; else the last error. */
int brood_join(struct brood_task *task);
int brood_all(struct brood_task *const *tasks, size_t n);
int brood_any(struct brood_task *const *tasks, size_t n, int *ret_result);

/* --- being a worker --------------------------------------------------------------------------- */

struct brood_worker;
struct brood_worker_handlers {
	/* fd is yours: nonblocking, close-on-exec. Say brood_worker_closed() when it is closed.
	 * One comes a turn, and not while as many are open as descriptors allow. */
	void (*on_connection)(struct brood_worker *w, int fd, const char *listener, void *data);
	/* Nothing is accepted any more. Say brood_worker_done() when all is served; after
	 * deadline_ms the worker ends in any case. NULL: done when all connections are closed. */
	void (*on_drain)(struct brood_worker *w, uint64_t deadline_ms, void *data);
	void (*on_message)(struct brood_worker *w, const char *from, const char *json, size_t len,
	    void *data);
	void (*on_leader)(struct brood_worker *w, bool is_leader, void *data);
};
struct brood_worker_options {
	const char *host;	/* without a master; NULL: 127.0.0.1 */
	int port;		/* without a master; 0: any, see brood_worker_port() */
	/* In place of host and port, ended by NULL: "HOST:PORT", "[V6]:PORT", "*:PORT", "PORT",
	 * "unix:/PATH". */
	const char *const *addresses;
	const char *const *names; /* listeners to accept from, ended by NULL; NULL: all */
	bool not_ready;		/* brood_worker_ready() will be said later */
};
struct brood_worker *brood_worker_open(struct brood_loop *loop, const struct brood_worker_options *o,
    const struct brood_worker_handlers *h, void *data);
void brood_worker_close(struct brood_worker *w);
void brood_worker_ready(struct brood_worker *w);
void brood_worker_closed(struct brood_worker *w, int n);
void brood_worker_served(struct brood_worker *w, int n); /* requests, for the beats */
void brood_worker_drain(struct brood_worker *w); /* of its own wish */
bool brood_worker_is_draining(const struct brood_worker *w);
void brood_worker_done(struct brood_worker *w);
void brood_worker_replace(struct brood_worker *w, const char *reason);

const char *brood_worker_app(const struct brood_worker *w);	/* NULL without a master */
int brood_worker_slot(const struct brood_worker *w);		/* -1 without a master */
int brood_worker_generation(const struct brood_worker *w);	/* -1 without a master */
int brood_worker_port(const struct brood_worker *w);		/* of the first TCP listener */
bool brood_worker_is_leader(const struct brood_worker *w);

int brood_worker_send(struct brood_worker *w, const char *to, const char *json);
int brood_worker_status(struct brood_worker *w, const char *text);
enum brood_metric { BROOD_COUNTER, BROOD_GAUGE };
/* labels: a JSON object of strings, or NULL. A counter's value is what is added. */
int brood_worker_metric(struct brood_worker *w, enum brood_metric type, const char *name, double value,
    const char *labels);

/* --- HTTP/1.1 ---------------------------------------------------------------------------------- */

struct brood_http;
struct brood_request;
typedef void brood_request_fn(struct brood_request *r, void *data);
struct brood_http_options {
	brood_request_fn *on_request;	/* the request is whole; it lives until it is answered */
	void (*on_served)(int n, void *data);	/* requests were answered; may be NULL */
	void (*on_closed)(int n, void *data);	/* connections, may be NULL */
	void (*on_drained)(void *data);		/* the last one, after a drain; may be NULL */
	void *data;
	bool in_tasks;		/* each on_request runs in a task of its own */
	size_t header_max;	/* request line and headers; 0: 16 KiB */
	size_t body_max;	/* 0: 1 MiB */
	unsigned header_ms;	/* for a request to come in whole; 0: 10 s */
	unsigned idle_ms;	/* of a kept connection; 0: 60 s */
	unsigned drain_idle_ms;	/* the same while draining; 0: 5 s */
};
struct brood_http *brood_http_new(struct brood_loop *loop, const struct brood_http_options *o);
void brood_http_free(struct brood_http *http);
/* fd is taken, whatever is returned. */
int brood_http_serve(struct brood_http *http, int fd);
/* Each next answer says Connection: close, idle connections are closed last. */
void brood_http_drain(struct brood_http *http);

const char *brood_request_method(const struct brood_request *r);
const char *brood_request_target(const struct brood_request *r);
const char *brood_request_header(const struct brood_request *r, const char *name); /* NULL: none */
const char *brood_request_body(const struct brood_request *r, size_t *ret_len);
/* The value of name in the query, decoded, in buf. -ENOENT, -ENOSPC, or its length. */
int brood_request_query(const struct brood_request *r, const char *name, char *buf, size_t size);
struct brood_loop *brood_request_loop(const struct brood_request *r);
/* Whether the client has gone, or has said that it sends no more: few of those still read. */
bool brood_request_is_gone(const struct brood_request *r);

/* Before the answer begins. */
int brood_respond_header(struct brood_request *r, const char *name, const char *value);
/* The whole answer; r is gone, whatever is returned: what cannot be said (-EINVAL) becomes a 500.
 * type NULL: none is said. */
int brood_respond(struct brood_request *r, int status, const char *type, const void *body, size_t len);
/* Or piece by piece. -EAGAIN of write: nothing was taken, on_room is called when there is some. */
int brood_respond_begin(struct brood_request *r, int status, const char *type,
    brood_request_fn *on_room, void *arg);
int brood_respond_write(struct brood_request *r, const void *data, size_t len);
int brood_respond_end(struct brood_request *r);

/* A worker that serves HTTP, whole: loop, worker, HTTP, signals. Returns an exit code. */
struct brood_service {
	brood_request_fn *on_request;
	void *data;
	const char *host;	/* see struct brood_worker_options */
	int port;
	bool in_tasks;
	/* Called once before it is ready; may be NULL. Not 0: an exit code. */
	int (*on_start)(struct brood_loop *loop, struct brood_worker *w, struct brood_http *http,
	    void *data);
};
int brood_serve(const struct brood_service *s);

#ifdef __cplusplus
}
#endif

#endif
