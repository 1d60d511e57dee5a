/* child: a program that is written to and read from by a task, as if that had a thread of its own. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <brood.h>

static struct brood_loop *loop;

static void
on_end(struct brood_child *child, int status, void *arg)
{
	(void)child;
	*(int *)arg = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* sort says nothing until its input has ended. */
static int
sort_fruit(void *code)
{
	static const char fruit[] = "pear\napple\nfig\n";
	static const char *const argv[] = {"sort", NULL};
	struct brood_child_options o = {
	    .argv = argv,
	    .fds = {BROOD_CHILD_PIPE, BROOD_CHILD_PIPE, 2},
	    .on_exit = on_end,
	    .arg = code,
	};
	struct brood_child *child = brood_child_start(loop, &o);
	int in, out;
	char text[100];
	ssize_t n;

	if (child == NULL)
		return -1;
	in = brood_child_take_fd(child, 0);
	out = brood_child_take_fd(child, 1);
	n = brood_write(in, fruit, strlen(fruit));
	brood_close(loop, in);
	while (n > 0 && (n = brood_read(out, text, sizeof text)) > 0)
		(void)fwrite(text, 1, (size_t)n, stdout);
	brood_close(loop, out);
	return (int)n;
}

int
main(void)
{
	int sort_code = -1, code = 1;

	loop = brood_loop_new();
	if (loop != NULL && brood_main(loop, sort_fruit, &sort_code) != NULL)
		code = brood_run(loop);
	printf("sort: %d\n", sort_code);
	brood_loop_free(loop);
	return code;
}
