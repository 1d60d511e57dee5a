/*
 * no_leak_search: for workers that a master stops, built with the address sanitizer: they do not
 * look for leaks at their end, whatever ASAN_OPTIONS says, as those of `brood run` inherit it. That
 * search stops the process by a tracer, and the CONT that follows a stop signal takes the tracer's
 * stop away: both then wait for ever. A program that no master started looks, so that a test which
 * runs it by itself finds its leaks.
 */
#include <stdlib.h>

int __lsan_is_turned_off(void);

int
__lsan_is_turned_off(void)
{
	return getenv("BROOD_SLOT") != NULL;
}
