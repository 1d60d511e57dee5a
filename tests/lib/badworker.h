/*
 * badworker: what its three files share. See badworker.c for the manual.
 */
#ifndef BROOD_TESTS_BADWORKER_H
#define BROOD_TESTS_BADWORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXTS_MAX 16

struct texts {
	size_t n;
	const char *at[TEXTS_MAX];
};

/* One member an option; -1, NULL, false and empty mean that it was not given. */
struct options {
	/* when to misbehave */
	long only_slot, except_slot, from_generation, until_generation;
	const char *if_file, *once;
	/* how to serve and to say ready: these hold whether it misbehaves or not */
	const char *ready, *dump, *dump_at_stop, *body, *messages, *speak, *port;
	bool no_listen, use_stdin;
	/* life */
	long start_delay, crash_before_ready, exit_before_ready, exit_after_ready;
	long crash_at_request, after, signal, memory;
	bool hang, spin, spin_after_ready, stop_self, daemonise, crash_after_ready;
	const char *ignore;
	/* family */
	long grandchildren;
	bool grandchild_session, grandchild_ignore_term;
	/* output */
	struct texts say, say_err;
	long flood_out, flood_err, big_line;
	const char *no_newline;
	bool binary;
	/* channel */
	long ready_delay, send_oversize, send_deep, send_every;
	bool ready_twice, ready_while_stopping, flood_channel, deaf, echo, ignore_drain;
	bool agree, close_channel, close_stdout, close_stderr;
	struct texts send;
	const char *send_file;
	/* leaving */
	long slow_drain, drain_exit, leak_fds;
};

extern struct options opt;
/* This worker's slot and generation; -1 without a master. */
extern long my_slot, my_generation;
extern int channel_fd;

uint64_t now_ms(void);
void nap_ms(long ms);

/* badworker_options.c: reads argv and then the words of $BADWORKER into opt; when the conditions
 * do not hold, what misbehaves is taken back. */
void options_read(int argc, char **argv);

/* badworker_modes.c */
/* Before ready, in this order; may not return. */
void modes_at_start(void);
/* In each turn of the loop; returns for how many ms at most the loop may sleep. */
int modes_in_turn(void);
/* Once, right after ready was said (or would have been). */
void modes_after_ready(void);
void crash_now(void);
void say_ready(void);
/* As they are; waits until they are out. */
void send_bytes(const char *bytes, size_t len);
/* One frame and its newline; waits until it is out. */
void send_frame(const char *frame, size_t len);

/* badworker_dump.c: writes all that this process has inherited as JSON. In paths that options give
 * %p, %s and %g stand for pid, slot and generation. */
void expand_path(const char *from, char *to, size_t size);
void dump_to_file(const char *path);
size_t dump_to_text(char *buf, size_t size);

#endif
