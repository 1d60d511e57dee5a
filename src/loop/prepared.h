/*
 * prepared: what a launch is made of, for the files that deal with it: launch.c makes it, sockets.c
 * gets its listeners, spec.c spawns from it.
 */
#ifndef BROOD_LOOP_PREPARED_H
#define BROOD_LOOP_PREPARED_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "conf/conf.h"
#include "loop/dialect.h"
#include "loop/environment.h"
#include "loop/listeners.h"
#include "sys/cred.h"

/* A file that a generation was prepared from, as it was then. */
struct launch_file {
	char *path;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct launch {
	struct conf *conf;
	const struct conf_app *app;
	char *const *argv;		/* of app, or that of the embedded worker */
	char *program;			/* real path */
	char *directory;		/* real path */
	bool change_user;
	struct cred_user user;		/* valid with change_user */
	struct environment env;
	bool told_bind;			/* see binder_hint() */
	bool own_port, own_instance;	/* PORT, NODE_APP_INSTANCE named by the configuration */
	cpu_set_t cpus;			/* cpu_affinity: the list, or what auto deals out */
	struct launch_file *files;
	size_t files_len;
	enum conf_take take;		/* never TAKE_AUTO */
	bool may_steer;			/* NODE: an address that is opened later will be steered */
	/* What its workers serve: first what the configuration names (app->listen_len), then what
	 * they asked for themselves (NODE). At most CONF_LISTENERS_MAX. */
	const struct conf_listen **listen;
	struct listener **listeners;
	size_t listeners_len;
	struct launch *prev, *next;
};

/* What launch_fill_spec() hands out, until it is called again. */
struct scratch {
	char **argv;
	char **envp;
	char **own_vars;		/* the strings of envp that are made for one worker */
	size_t own_vars_len;
	int *fds;
};

struct launch_table {
	struct listener_table listeners;
	struct launch *all;
	struct scratch scratch;
	int null_fd;
	int exit_code;			/* that goes with the last failure */
	char *steer_cache;		/* RUN_DIR/.steer */
	struct dialect_numbers numbers;	/* of slots, for PM2 */
	bool told_shared;		/* that groups cannot be had here */
};

void scratch_reset(struct scratch *s);

struct loop;
struct err;
/* References to all listeners of la; what had to grow shrinks again on failure. */
int launch_get_listeners(struct loop *l, struct launch *la, unsigned workers, struct err *e);
/* Guarded, and their programs know all members: once la is among the launches. */
void launch_settle_listeners(struct loop *l, const struct launch *la);
void launch_put_listeners(struct loop *l, const struct launch *la);
/* Whether a worker gets listeners[listener] as a descriptor; those that it gets are 3, 4, ... */
bool launch_is_inherited(const struct launch *la, size_t listener);
/* Whether sockets are non-blocking when a worker gets them. */
bool launch_is_nonblocking(const struct launch *la);
/* One more, as a worker asked for; conf is copied. The listener that la has by that address already, or
 * one that is opened now, in the shape of the app's, guarded and steered. 0 or negative errno with
 * text: -EADDRINUSE, -EACCES, -EADDRNOTAVAIL..., -EMFILE beyond CONF_LISTENERS_MAX. */
int launch_add_listener(struct loop *l, struct launch *la, const struct conf_listen *conf,
    struct listener **ret, struct err *e);
/* Nobody asks for it any more: closed, unless another launch names it. Only those that were added. */
void launch_drop_listener(struct loop *l, struct launch *la, struct listener *ls);
/* Whether some generation of the app, an old one perhaps, has that listener. */
bool launches_serve(const struct loop *l, const char *app, const struct listener *ls);

#endif
