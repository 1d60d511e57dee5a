/*
 * no_leak_search: for workers that a master stops, built with the address sanitizer: by default
 * they do not look for leaks at their end. That search stops the process by a tracer, and the CONT
 * that follows a stop signal takes the tracer's stop away: both then wait for ever. ASAN_OPTIONS
 * turns the search on where a test runs such a program by itself.
 */
const char *__asan_default_options(void);

const char *
__asan_default_options(void)
{
	return "detect_leaks=0";
}
