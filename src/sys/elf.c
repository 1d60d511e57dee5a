/*
 * elf: see the header.
 */
#include "sys/elf.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#define HEADERS_MAX  4096 /* more is no program that anybody runs */
#define NOTES_MAX    4096 /* bytes */
#define NATIVE_CLASS (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32)
#define NATIVE_ORDER (__BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB)

/* 1: all of it; 0: the file ends before; negative errno. */
static int
read_at(int fd, void *buf, size_t len, uint64_t at)
{
	size_t n = 0;

	while (n < len) {
		ssize_t r =
		    at + n <= INT64_MAX ? pread(fd, (char *)buf + n, len - n, (off_t)(at + n)) : 0;

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			return 0;
		n += (size_t)r;
	}
	return 1;
}

static int
read_loader(int fd, const ElfW(Phdr) * p, struct elf *e)
{
	size_t len = p->p_filesz;
	int r;

	if (len == 0 || len > sizeof(e->loader))
		return 0;
	r = read_at(fd, e->loader, len, p->p_offset);
	if (r == 1 && (e->loader[0] != '/' || !memchr(e->loader, '\0', len)))
		r = 0;
	e->is_dynamic = r == 1;
	return r;
}

/* Notes: three words, then a name and a text, each filled up to words. Go's has its build id. */
static int
look_for_go_note(int fd, const ElfW(Phdr) * p, struct elf *e)
{
	char notes[NOTES_MAX];
	size_t len = p->p_filesz < sizeof(notes) ? p->p_filesz : sizeof(notes), at = 0;
	int r = read_at(fd, notes, len, p->p_offset);

	while (r == 1 && len - at >= sizeof(ElfW(Nhdr)) + 4) {
		ElfW(Nhdr) n;
		size_t name, text;

		memcpy(&n, notes + at, sizeof(n));
		at += sizeof(n);
		if (n.n_namesz == 4 && memcmp(notes + at, "Go\0", 4) == 0)
			e->is_go = true;
		name = ((size_t)n.n_namesz + 3) & ~(size_t)3;
		text = ((size_t)n.n_descsz + 3) & ~(size_t)3;
		if (name > len - at || text > len - at - name)
			break;
		at += name + text;
	}
	return r;
}

static int
look_at_segments(int fd, const ElfW(Ehdr) * h, struct elf *e)
{
	int r = 1;

	if (h->e_phnum > HEADERS_MAX || (h->e_phnum > 0 && h->e_phentsize != sizeof(ElfW(Phdr))))
		return 0;
	for (uint64_t i = 0; i < h->e_phnum && r == 1; i++) {
		ElfW(Phdr) p;

		r = read_at(fd, &p, sizeof(p), h->e_phoff + i * sizeof(p));
		if (r == 1 && p.p_type == PT_INTERP)
			r = read_loader(fd, &p, e);
		else if (r == 1 && p.p_type == PT_NOTE)
			r = look_for_go_note(fd, &p, e);
	}
	return r;
}

/* A build id may be left out, the section that has the versions of its modules is always there. What
 * is wrong with sections does not matter to a loader. */
static void
look_for_go_section(int fd, const ElfW(Ehdr) * h, struct elf *e)
{
	static const char wanted[] = ".go.buildinfo";
	ElfW(Shdr) names, s;
	char name[sizeof(wanted)];

	if (h->e_shnum > HEADERS_MAX || h->e_shentsize != sizeof(s) ||
	    h->e_shstrndx >= h->e_shnum ||
	    read_at(fd, &names, sizeof(names), h->e_shoff + h->e_shstrndx * sizeof(s)) != 1)
		return;
	for (uint64_t i = 0; i < h->e_shnum && !e->is_go; i++) {
		if (read_at(fd, &s, sizeof(s), h->e_shoff + i * sizeof(s)) != 1)
			return;
		e->is_go = read_at(fd, name, sizeof(name), names.sh_offset + s.sh_name) == 1 &&
		           memcmp(name, wanted, sizeof(wanted)) == 0;
	}
}

int
elf_read(int fd, struct elf *ret)
{
	union {
		ElfW(Ehdr) h;
		unsigned char ident[EI_NIDENT];
	} head;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = read_at(fd, &head, sizeof(head), 0);
	if (r != 1 || memcmp(head.ident, ELFMAG, SELFMAG) != 0)
		return r < 0 ? r : 0;
	ret->file_class = head.ident[EI_CLASS];
	ret->byte_order = head.ident[EI_DATA];
	ret->machine = head.h.e_machine; /* at the same place in both classes */
	ret->is_foreign = ret->file_class != NATIVE_CLASS || ret->byte_order != NATIVE_ORDER;
	if (ret->is_foreign)
		return 1;
	r = look_at_segments(fd, &head.h, ret);
	if (r == 1 && !ret->is_go)
		look_for_go_section(fd, &head.h, ret);
	return r;
}
