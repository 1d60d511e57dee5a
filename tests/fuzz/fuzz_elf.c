/*
 * fuzz_elf: the head of any file is read, and what is said about it fits together.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct elf e;
	int r;

	if (fd < 0)
		fd = memfd_create("program", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, 0) != 0 || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	r = elf_read(fd, &e);
	if (r != 0 && r != 1)
		abort();
	if (r == 1 && e.is_dynamic &&
	    (e.loader[0] != '/' || !memchr(e.loader, 0, sizeof(e.loader))))
		abort();
	if (r == 1 && e.is_foreign && (e.is_dynamic || e.is_go))
		abort();
	return 0;
}
