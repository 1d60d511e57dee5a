/*
 * filesystem: see the header.
 */
#include "launcher/filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "launcher/nodewords.h"
#include "sys/script.h"

/* Opening must not wait, as for a FIFO. */
static int
system_read(void *arg, const char *path, size_t max, struct str *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), r = 0;
	size_t before = ret->len;
	char buf[16384];
	struct stat st;
	ssize_t n = 0;

	(void)arg;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -EINVAL;
	while (r == 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		str_add_n(ret, buf, (size_t)n);
		if (str_failed(ret))
			r = -ENOMEM;
		else if (ret->len - before > max)
			r = -EFBIG;
	}
	if (n < 0)
		r = -errno;
	fd_close(&fd);
	return r;
}

static enum file_kind
system_kind(void *arg, const char *path, struct str *options)
{
	struct script script;
	struct stat st;

	(void)arg;
	if (stat(path, &st) != 0)
		return FILE_NONE;
	if (!S_ISREG(st.st_mode))
		return FILE_OTHER;
	if (script_read(path, &script) != 1 || !nodewords_is_node(script.interpreter))
		return FILE_PLAIN;
	if (options)
		str_add(options, script.options);
	return FILE_NODE;
}

static char *
system_real(void *arg, const char *path)
{
	char *real = realpath(path, NULL);
	char *copy = real ? mem_strdup(real) : NULL;

	(void)arg;
	free(real);
	return copy;
}

const struct files files_of_system = {
    .read = system_read, .kind = system_kind, .real = system_real};
