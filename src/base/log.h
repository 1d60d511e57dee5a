/*
 * log: the master's own words, one event one line one write, errno preserved.
 *
 * Each line carries level, a stable event name for machines, who it is about, and plain text:
 *   text    2026-11-21T02:29:00.123Z info web.2 pid 812: ready after 14 ms
 *   logfmt  ts=… level=info event=worker_ready app=web slot=2 pid=812 gen=7 msg="ready after 14 ms"
 *   json    {"ts":"…","level":"info","event":"worker_ready","app":"web",…,"msg":"…"}
 * All text is escaped. The sink decides where lines go; without one they go to descriptor 2.
 */
#ifndef BROOD_BASE_LOG_H
#define BROOD_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_MAX };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON, LOG_FORMAT_MAX };

/* Who a line is about; zero and NULL members are left out. slot is -1 for "none". */
struct log_who {
	const char *app;
	int slot;
	pid_t pid;
	unsigned generation;
};

/* line ends with a newline and is not terminated; it is only valid during the call. */
typedef void (*log_sink)(void *arg, enum log_level level, const char *line, size_t len);

void log_set_level(enum log_level level);
enum log_level log_get_level(void);
void log_set_format(enum log_format format);
/* Short times (HH:MM:SS.mmm) and colour, for a person at a terminal. Text format only. */
void log_set_terminal(bool terminal);
/* sink NULL restores descriptor 2. */
void log_set_sink(log_sink sink, void *arg);

const char *log_level_to_string(enum log_level level);

/* event: lower_case_name, stable, documented in broodd(8). who may be NULL.
 * The same line repeated is folded: it is counted and said once with "repeated N times". */
void log_write(enum log_level level, const char *event, const struct log_who *who, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));

#define log_error(event, who, ...) log_write(LOG_LEVEL_ERROR, event, who, __VA_ARGS__)
#define log_warn(event, who, ...) log_write(LOG_LEVEL_WARN, event, who, __VA_ARGS__)
#define log_info(event, who, ...) log_write(LOG_LEVEL_INFO, event, who, __VA_ARGS__)
#define log_debug(event, who, ...) log_write(LOG_LEVEL_DEBUG, event, who, __VA_ARGS__)

#endif
