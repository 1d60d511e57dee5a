/*
 * fuzz_einhorn: a command of a worker written for Einhorn is read within its bounds, and means the
 * same when each of its bytes is escaped.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/einhorn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *line = (const char *)data;
	enum einhorn_command plain = einhorn_decode(line, size);
	char escaped[EINHORN_LINE_MAX + 1];

	if (size > EINHORN_LINE_MAX && plain != EINHORN_OTHER)
		abort();
	if (size > EINHORN_LINE_MAX / 3 || memchr(line, '%', size) != NULL)
		return 0;
	for (size_t i = 0; i < size; i++)
		(void)snprintf(escaped + 3 * i, 4, "%%%02x", (unsigned)data[i]);
	if (einhorn_decode(escaped, 3 * size) != plain)
		abort();
	return 0;
}
