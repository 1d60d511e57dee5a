/*
 * out: the rest of what a socket did not take.
 */
#ifndef BROOD_HTTP_OUT_H
#define BROOD_HTTP_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct out;

/* Adds what is behind the first sent bytes of parts to *out, which is made when there is something
 * to keep. False: no memory. */
bool out_keep(struct out **out, const struct iovec *parts, int n, size_t sent);
/* One send(2): its result, errno included. */
ssize_t out_send(struct out *out, int fd);
bool out_is_empty(const struct out *out);

#endif
