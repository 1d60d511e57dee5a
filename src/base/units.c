/*
 * units: numbers with units, names of signals, and which names may become part of a path. Must
 * not guess: what is not exactly in the language is refused.
 */
#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define NAME_MAX_LEN 48

struct unit {
	const char *suffix;
	uint64_t factor;
};

static const struct unit durations[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
static const struct unit sizes[] = {{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"", 1}};

static const struct {
	int number;
	const char *name;
} signals[] = {
    {SIGHUP, "HUP"},
    {SIGINT, "INT"},
    {SIGQUIT, "QUIT"},
    {SIGILL, "ILL"},
    {SIGTRAP, "TRAP"},
    {SIGABRT, "ABRT"},
    {SIGBUS, "BUS"},
    {SIGFPE, "FPE"},
    {SIGKILL, "KILL"},
    {SIGUSR1, "USR1"},
    {SIGSEGV, "SEGV"},
    {SIGUSR2, "USR2"},
    {SIGPIPE, "PIPE"},
    {SIGALRM, "ALRM"},
    {SIGTERM, "TERM"},
    {SIGCHLD, "CHLD"},
    {SIGCONT, "CONT"},
    {SIGSTOP, "STOP"},
    {SIGTSTP, "TSTP"},
    {SIGTTIN, "TTIN"},
    {SIGTTOU, "TTOU"},
    {SIGURG, "URG"},
    {SIGXCPU, "XCPU"},
    {SIGXFSZ, "XFSZ"},
    {SIGVTALRM, "VTALRM"},
    {SIGPROF, "PROF"},
    {SIGWINCH, "WINCH"},
    {SIGIO, "IO"},
    {SIGPWR, "PWR"},
    {SIGSYS, "SYS"},
#ifdef SIGSTKFLT
    {SIGSTKFLT, "STKFLT"},
#endif
};

/* Reads digits at *text and leaves *text behind them. */
static int
read_digits(const char **text, uint64_t *ret)
{
	const char *at = *text;
	uint64_t value = 0;
	bool over = false;

	if (*at < '0' || *at > '9' || (at[0] == '0' && at[1] >= '0' && at[1] <= '9'))
		return -EINVAL;
	for (; *at >= '0' && *at <= '9'; at++) {
		unsigned digit = (unsigned)(*at - '0');

		if (value > (UINT64_MAX - digit) / 10)
			over = true;
		else
			value = value * 10 + digit;
	}
	*text = at;
	*ret = value;
	return over ? -ERANGE : 0;
}

/* A bare number counts in units of `bare`. */
static int
parse_with_unit(const char *text, const struct unit *units, size_t n, uint64_t bare, uint64_t *ret)
{
	uint64_t value = 0, factor = 0;
	int r = read_digits(&text, &value);

	if (r == -EINVAL)
		return r;
	if (*text == '\0')
		factor = bare;
	for (size_t i = 0; i < n && factor == 0; i++) {
		if (strcmp(text, units[i].suffix) == 0)
			factor = units[i].factor;
	}
	if (factor == 0)
		return -EINVAL;
	if (r || value > UINT64_MAX / factor)
		return -ERANGE;
	*ret = value * factor;
	return 0;
}

static void
format_exact(uint64_t value, const struct unit *units, size_t n, char *buf, size_t size)
{
	size_t i = 0;

	while (i + 1 < n && value % units[i].factor != 0)
		i++;
	(void)snprintf(buf, size, "%" PRIu64 "%s", value / units[i].factor, units[i].suffix);
}

int
units_parse_duration_ms(const char *text, uint64_t *ret_ms)
{
	return parse_with_unit(text, durations, 4, 1000, ret_ms);
}

int
units_parse_size(const char *text, uint64_t *ret_bytes)
{
	return parse_with_unit(text, sizes, 4, 1, ret_bytes);
}

int
units_parse_uint(const char *text, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;
	int r = read_digits(&text, &value);

	if (r == -EINVAL || *text != '\0')
		return -EINVAL;
	if (r || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

void
units_format_duration_ms(uint64_t ms, char *buf, size_t size)
{
	if (ms == 0)
		(void)snprintf(buf, size, "0s");
	else
		format_exact(ms, durations, 4, buf, size);
}

void
units_format_age_ms(uint64_t ms, char *buf, size_t size)
{
	uint64_t s = ms / 1000;

	if (ms < 1000)
		(void)snprintf(buf, size, "%" PRIu64 "ms", ms);
	else if (s < 60)
		(void)snprintf(buf, size, "%" PRIu64 ".%" PRIu64 "s", s, ms / 100 % 10);
	else if (s < 3600)
		(void)snprintf(buf, size, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(buf, size, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		(void)snprintf(buf, size, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
}

void
units_format_size(uint64_t bytes, char *buf, size_t size)
{
	if (bytes == 0)
		(void)snprintf(buf, size, "0");
	else
		format_exact(bytes, sizes, 4, buf, size);
}

/* "+3" behind RTMIN, "-3" behind RTMAX, or nothing. */
static int
realtime_signal(const char *text, char sign, int from)
{
	uint64_t n = 0;
	int sig;

	if (*text != '\0' && (*text != sign || units_parse_uint(text + 1, 64, &n)))
		return -EINVAL;
	sig = sign == '+' ? from + (int)n : from - (int)n;
	return sig >= SIGRTMIN && sig <= SIGRTMAX ? sig : -EINVAL;
}

int
signal_from_string(const char *text)
{
	uint64_t number;

	if (units_parse_uint(text, (uint64_t)SIGRTMAX, &number) == 0)
		return number > 0 ? (int)number : -EINVAL;
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (strcasecmp(text, signals[i].name) == 0)
			return signals[i].number;
	}
	if (strncasecmp(text, "RTMIN", 5) == 0)
		return realtime_signal(text + 5, '+', SIGRTMIN);
	if (strncasecmp(text, "RTMAX", 5) == 0)
		return realtime_signal(text + 5, '-', SIGRTMAX);
	return -EINVAL;
}

const char *
signal_to_string(int sig, char buf[16])
{
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (signals[i].number == sig)
			return signals[i].name;
	}
	if (sig == SIGRTMIN)
		return "RTMIN";
	if (sig > SIGRTMIN && sig <= SIGRTMAX)
		(void)snprintf(buf, 16, "RTMIN+%d", sig - SIGRTMIN);
	else
		(void)snprintf(buf, 16, "%d", sig);
	return buf;
}

bool
name_is_valid(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_MAX_LEN || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		        c == '_' || c == '.' || c == '-'))
			return false;
	}
	return true;
}
