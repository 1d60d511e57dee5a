/*
 * elf: what the head of a program says about how it will be loaded. Only numbers and names are read,
 * each checked against what is there; nothing is mapped, since files change.
 */
#ifndef BROOD_SYS_ELF_H
#define BROOD_SYS_ELF_H

#include <stdbool.h>
#include <stdint.h>

struct elf {
	unsigned char file_class;	/* as in the file: 32 or 64 bits, byte order, machine */
	unsigned char byte_order;
	uint16_t machine;
	bool is_foreign;		/* not of the class and byte order of this program: what
					 * follows is unknown */
	bool is_dynamic;		/* it asks for a loader, which may preload */
	bool is_go;			/* of the Go tool chain, which calls the system itself */
	char loader[256];		/* with is_dynamic: its path */
};

/* 1: *ret is filled. 0: no ELF file, or one that is cut off or makes no sense. Negative errno: it
 * can't be read. */
int elf_read(int fd, struct elf *ret);

#endif
