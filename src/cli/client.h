/*
 * client: one connection to a master's control socket, blocking with deadlines. It speaks
 * JSON-RPC by lines (brood-protocol(7)); what a method means is the callers' business.
 */
#ifndef BROOD_CLI_CLIENT_H
#define BROOD_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"

/* Why something did not work, ready to be told. */
struct failure {
	int exit_code; /* enum cli_exit */
	int rpc_code; /* 0: not from the master */
	bool lost; /* the connection ended in the middle */
	struct str text;
	struct str last_words;
};

void failure_done(struct failure *f);
/* Replaces what is there. Returns -1. */
int failure_set(struct failure *f, int exit_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

struct client;

/* Notifications while a call is under way, or later. params may be NULL. Return false to stop
 * reading: the call under way ends as if interrupted. */
typedef bool (*client_notify_fn)(void *arg, const char *method, const json_t *params);

/* Connects and says hello. 0: *ret_client is to be closed; hello is client_hello(). -1 with f.
 * err_connect: errno of connect(), so that a stale socket can be told; 0 otherwise. */
int client_open(const char *path, uint64_t deadline_us, struct client **ret_client,
    int *err_connect, struct failure *f);
void client_close(struct client *c); /* NULL is fine */
const json_t *client_hello(const struct client *c);

void client_on_notification(struct client *c, client_notify_fn fn, void *arg);
/* Ends waiting, as a success, when fd reports an error: the reader of a pipe has gone. */
void client_watch(struct client *c, int fd);

/* Calls a method; params are stolen. The result is a new reference, or NULL with f.
 * deadline_us 0: waits for ever. */
json_t *client_call(
    struct client *c, const char *method, json_t *params, uint64_t deadline_us, struct failure *f);
/* Reads notifications until the master closes (0), the watched reader has gone, a signal comes,
 * the callback says stop, the deadline passes (all 0), or -1 with f. */
int client_follow(struct client *c, uint64_t deadline_us, struct failure *f);
/* The pid of the master as this process sees it; 0 when it cannot see it. */
pid_t client_peer_pid(const struct client *c);

#endif
