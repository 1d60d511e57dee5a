/*
 * swap: the part of steer.h that finds out whether programs may be swapped.
 *
 * From 4.5 to the fix, SO_ATTACH_REUSEPORT_CBPF frees the program that it replaces at once, while
 * another CPU may still run it: memory of the kernel, used after it was freed, by whoever may open
 * a socket (R5). No version number tells whether a kernel has the fix, since distributions take it
 * back to old ones, and trying would be the accident itself. But the fix waits for the readers
 * with a function of its own, which stands in the kernel's own lists of its functions.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/steer.h"

#define SYMBOL      "sk_reuseport_prog_free_rcu"
#define CHUNK       65536
#define BOOT_ID_LEN 36

enum verdict {
	VERDICT_OPEN, /* nobody looked yet */
	VERDICT_SAFE_BTF,
	VERDICT_SAFE_KALLSYMS,
	VERDICT_SAFE_SAID,
	VERDICT_UNSAFE,
	VERDICT_UNSAFE_SAID,
	VERDICT_HIDDEN,
	VERDICT_MAX,
};

static const struct {
	int answer;
	const char *reason;
} verdicts[VERDICT_MAX] = {
    [VERDICT_OPEN] = {-ENOENT, "nobody looked"},
    [VERDICT_SAFE_BTF] = {1, "the kernel has the fix of CVE-2026-52910 (" SYMBOL " in its BTF)"},
    [VERDICT_SAFE_KALLSYMS] = {1,
        "the kernel has the fix of CVE-2026-52910 (" SYMBOL " in /proc/kallsyms)"},
    [VERDICT_SAFE_SAID] = {1, "BROOD_STEER_SWAP=yes says so"},
    [VERDICT_UNSAFE] = {0, "the kernel lacks the fix of CVE-2026-52910 (no " SYMBOL ")"},
    [VERDICT_UNSAFE_SAID] = {0, "BROOD_STEER_SWAP=no says so"},
    [VERDICT_HIDDEN] = {-ENOENT,
        "the kernel shows neither /sys/kernel/btf/vmlinux nor /proc/kallsyms"},
};

static enum verdict found;

/* Whether the whole word stands in text, between bytes of `before` and of `after` (which count the
 * terminating NUL). */
static bool
has_word(const char *text, size_t len, const char *word, const char *before, const char *after)
{
	size_t word_len = strlen(word);
	const char *at = text, *end = text + len;

	while ((at = memmem(at, (size_t)(end - at), word, word_len))) {
		if (at > text && at + word_len < end && strchr(before, at[-1]) &&
		    strchr(after, at[word_len]))
			return true;
		at++;
	}
	return false;
}

/* 1, 0, or -ENOENT where there is nothing to read. A word that two reads cut in two is seen: the
 * last bytes stay before the next. */
static int
file_has_word(const char *path, const char *word, const char *before, const char *after)
{
	char buf[CHUNK];
	size_t kept = 0, keep = strlen(word) + 2;
	bool any = false;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r = 0;

	if (fd < 0)
		return -ENOENT;
	while (r == 0 && (got = read(fd, buf + kept, sizeof(buf) - kept)) > 0) {
		size_t len = kept + (size_t)got;

		any = true;
		r = has_word(buf, len, word, before, after);
		kept = len < keep ? len : keep;
		memmove(buf, buf + len - kept, kept);
	}
	fd_close(&fd);
	return any ? r : -ENOENT;
}

static enum verdict
look(void)
{
	int btf = file_has_word("/sys/kernel/btf/vmlinux", SYMBOL, "", ""), kallsyms;

	if (btf == 1)
		return VERDICT_SAFE_BTF;
	/* Also after a BTF without it, which leaves out what the compiler changed, and a fix that a
	 * module brought. */
	kallsyms = file_has_word("/proc/kallsyms", SYMBOL, " ", "\n\t");
	if (kallsyms == 1)
		return VERDICT_SAFE_KALLSYMS;
	return btf < 0 && kallsyms < 0 ? VERDICT_HIDDEN : VERDICT_UNSAFE;
}

static enum verdict
said(void)
{
	const char *text = getenv("BROOD_STEER_SWAP");

	if (text && strcmp(text, "no") == 0)
		return VERDICT_UNSAFE_SAID;
	if (text && strcmp(text, "yes") == 0)
		return VERDICT_SAFE_SAID;
	return VERDICT_OPEN;
}

static enum verdict
verdict(void)
{
	enum verdict v = said();

	return v == VERDICT_OPEN ? found : v;
}

int
steer_swap_look(void)
{
	if (verdict() == VERDICT_OPEN)
		found = look();
	return verdicts[verdict()].answer;
}

const char *
steer_swap_reason(void)
{
	return verdicts[verdict()].reason;
}

/* --- the verdict of this boot -------------------------------------------------------------- */

static bool
read_boot_id(char ret[BOOT_ID_LEN + 1])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, ret, BOOT_ID_LEN);

	fd_close(&fd);
	if (got != BOOT_ID_LEN)
		return false;
	ret[BOOT_ID_LEN] = '\0';
	return true;
}

static int
format_cache(const char *boot_id, enum verdict v, char *buf, size_t size)
{
	return snprintf(buf, size, "%s %s\n", boot_id, verdicts[v].answer == 1 ? "safe" : "unsafe");
}

/* A file that somebody else could have written could make us corrupt the kernel. */
static bool
is_ours_alone(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & 077) == 0 && st.st_nlink == 1;
}

static enum verdict
read_cache(const char *path, const char *boot_id)
{
	static const enum verdict kinds[] = {VERDICT_SAFE_BTF, VERDICT_UNSAFE};
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[BOOT_ID_LEN + 16] = "", expected[sizeof(text)];
	enum verdict v = VERDICT_OPEN;

	if (fd < 0)
		return v;
	if (is_ours_alone(fd) && read(fd, text, sizeof(text) - 1) > 0) {
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
			(void)format_cache(boot_id, kinds[i], expected, sizeof(expected));
			if (strcmp(text, expected) == 0)
				v = kinds[i];
		}
	}
	fd_close(&fd);
	return v;
}

/* Whole or not at all. A failure costs the next start another look, so it is not told. */
static void
write_cache(const char *path, const char *boot_id, enum verdict v)
{
	char temp[PATH_MAX], text[BOOT_ID_LEN + 16];
	int len = snprintf(temp, sizeof(temp), "%s.XXXXXX", path), fd;

	if (len < 0 || (size_t)len >= sizeof(temp))
		return;
	fd = mkostemp(temp, O_CLOEXEC); /* 0600, whatever the umask allows */
	if (fd < 0)
		return;
	len = format_cache(boot_id, v, text, sizeof(text));
	if (fd_write_all(fd, text, (size_t)len) < 0 || rename(temp, path) < 0)
		(void)unlink(temp);
	fd_close(&fd);
}

/* What could not be told is not kept: it is cheap, and may be told under other circumstances. */
static void
look_with_cache(const char *path)
{
	char boot_id[BOOT_ID_LEN + 1];

	if (!path || !read_boot_id(boot_id)) {
		found = look();
		return;
	}
	found = read_cache(path, boot_id);
	if (found != VERDICT_OPEN)
		return;
	found = look();
	if (found != VERDICT_HIDDEN)
		write_cache(path, boot_id, found);
}

bool
steer_swap_is_safe(const char *cache)
{
	if (verdict() == VERDICT_OPEN)
		look_with_cache(cache);
	return verdicts[verdict()].answer == 1;
}
