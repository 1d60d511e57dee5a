/*
 * cron: a job that must run once, not once a worker: the leader runs it each second. When the
 * leader leaves, another worker is told that it is leader now. Run by hand there is but one.
 */
#include <brood.h>
#include <stdio.h>

static struct brood_loop *loop;
static brood_id timer;
static int runs;

static void
job(struct brood_loop *l, void *worker)
{
	(void)l;
	(void)printf("job %d\n", ++runs);
	(void)fflush(stdout);
	(void)brood_worker_metric(worker, BROOD_COUNTER, "jobs_total", 1, NULL);
}

/* The worker keeps the loop, the timer need not. */
static void
on_leader(struct brood_worker *w, bool is_leader, void *data)
{
	(void)data;
	brood_clear(loop, timer);
	timer = is_leader ? brood_set_interval(loop, 1000, job, w) : 0;
	brood_unref(loop, timer);
	(void)brood_worker_status(w, is_leader ? "leader" : "waits");
}

int
main(void)
{
	static const struct brood_worker_handlers handlers = {.on_leader = on_leader};
	struct brood_worker *w = NULL;
	int code = 71;

	loop = brood_loop_new();
	if (loop != NULL)
		w = brood_worker_open(loop, NULL, &handlers, NULL);
	if (w != NULL && brood_worker_app(w) == NULL)
		on_leader(w, true, NULL);
	if (w != NULL)
		code = brood_run(loop);
	brood_worker_close(w);
	brood_loop_free(loop);
	return code;
}
