/*
 * interrupt: signals noted in a handler.
 */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static volatile sig_atomic_t count, last;

static const int noted[] = {SIGINT, SIGTERM, SIGHUP};

static void
note(int sig)
{
	count++;
	last = sig;
	/* Whoever does not look (a write that blocks, say) ends by the second one. */
	if (count > 3)
		_exit(128 + sig);
}

static void
set_all(void (*handler)(int))
{
	/* No SA_RESTART: poll() and connect() shall return. */
	struct sigaction sa = {.sa_handler = handler};

	sigemptyset(&sa.sa_mask);
	for (size_t i = 0; i < sizeof(noted) / sizeof(noted[0]); i++)
		(void)sigaction(noted[i], &sa, NULL);
}

void
interrupt_init(void)
{
	set_all(note);
	(void)signal(SIGPIPE, SIG_IGN);
}

void
interrupt_done(void)
{
	set_all(SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
}

int
interrupt_pending(void)
{
	return count;
}

int
interrupt_signal(void)
{
	return last;
}
