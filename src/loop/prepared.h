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
	bool own_port, own_instance;	/* PORT, NODE_APP_INSTANCE named by the configuration */
	cpu_set_t cpus;			/* cpu_affinity: the list, or what auto deals out */
	struct launch_file *files;
	size_t files_len;
	struct listener **listeners;	/* app->listen_len of them */
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

#endif
