/*
 * logwriter: the process that writes log files, so that a slow or full disk never holds the
 * master up. The master hands it lines over a pipe; it appends, reopens on request, and counts
 * what a full disk makes it drop (F7): one line says so when the disk takes lines again.
 */
#ifndef BROOD_SYS_LOGWRITER_H
#define BROOD_SYS_LOGWRITER_H

#include <sys/types.h>

struct err;

/* Opens path for appending as the writer will (O_APPEND|O_CREAT|O_NOFOLLOW, 0640; refuses a
 * directory that others may write when root, and what is no regular file): a check at start, so
 * that a wrong path is an error and not a surprise. 0 or negative errno. */
int logwriter_check(const char *path, struct err *e);
/* Body of the process: reads descriptor 0 until EOF, appends whole lines to path; SIGUSR1
 * reopens (the old file is kept when that fails, L4, S7); TERM and INT are ignored so that last
 * words get out; ends at EOF. Returns the exit code. path "-": copies to descriptor 1 as it is
 * (blocking, nothing is opened or reopened): for a standard output that the master can't open
 * anew without blocking. */
int logwriter_main(const char *path);

#endif
