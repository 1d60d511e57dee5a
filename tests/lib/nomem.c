/*
 * nomem: a library for LD_PRELOAD that lets memory end on command.
 *
 * The file NOMEM names holds three numbers of eight digits, "EPOCH FIRST TIMES", and a fourth that
 * this library writes: how many allocations there were since EPOCH last changed. Calls FIRST to
 * FIRST + TIMES - 1 of an epoch fail with ENOMEM; TIMES of 0 fails none. The file may be changed
 * while the program runs. Only the process whose program NOMEM_PROGRAM ends with is concerned.
 *
 * It leans on glibc's names for its own allocator, so that nothing has to be looked up, which
 * would allocate.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NUMBER_LEN 9 /* with the blank behind it */
#define FILE_LEN   (4 * NUMBER_LEN)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static char *orders;

__attribute__((constructor)) static void
nomem_init(void)
{
	const char *path = getenv("NOMEM"), *program = getenv("NOMEM_PROGRAM");
	size_t len = program ? strlen(program) : 0;
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	void *at;
	int fd;

	if (!path || n < (ssize_t)len || memcmp(self + n - len, program ? program : "", len) != 0)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	at = mmap(NULL, FILE_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		orders = at;
}

static uint64_t
number(unsigned index)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < NUMBER_LEN - 1; i++)
		value = value * 10 + (uint64_t)(orders[index * NUMBER_LEN + i] - '0');
	return value;
}

static void
show_count(uint64_t value)
{
	for (unsigned i = NUMBER_LEN - 1; i-- > 0; value /= 10)
		orders[3 * NUMBER_LEN + i] = (char)('0' + value % 10);
}

static bool
must_fail(void)
{
	static uint64_t epoch, calls;
	uint64_t first;

	if (!orders)
		return false;
	if (number(0) != epoch) {
		epoch = number(0);
		calls = 0;
	}
	show_count(++calls);
	first = number(1);
	if (calls < first || calls - first >= number(2))
		return false;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return must_fail() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return must_fail() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
	return must_fail() ? NULL : __libc_realloc(p, size);
}
