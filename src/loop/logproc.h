/*
 * logproc: the process behind a sink that may be slow to write: this program again, with
 * --log-writer, at the reading end of a pipe (sys/logwriter.h). One that dies is started again,
 * after 1 s, doubling to 60 s; what is put meanwhile is lost, and counted by who puts it.
 */
#ifndef BROOD_LOOP_LOGPROC_H
#define BROOD_LOOP_LOGPROC_H

#include <stdbool.h>

struct err;
struct logproc;
struct sink;

/* Starts a writer for s. path NULL: it copies to the master's descriptor s->standard. 0, or a
 * negative errno with e. */
int logproc_start(struct sink *s, struct logproc **ret, struct err *e);
void logproc_reopen(struct logproc *p);
bool logproc_is_running(const struct logproc *p);
/* Lets go of the process, which ends at the end of its input. Frees itself. */
void logproc_close(struct logproc *p);

#endif
