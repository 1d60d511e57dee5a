/*
 * Tests of sys/elf.c: files made byte by byte, and the test's own program.
 */
#include "sys_support.h"

#include <elf.h>
#include <link.h>

#include "base/fd.h"
#include "sys/elf.h"

#define LOADER "/lib64/ld-test.so.1"

/* A program as linkers make them: header, segments, a loader's name, a note, sections. */
struct image {
	ElfW(Ehdr) head;
	ElfW(Phdr) segments[2];
	char loader[sizeof(LOADER)];
	struct {
		ElfW(Nhdr) gnu;
		char gnu_name[4], gnu_text[8];
		ElfW(Nhdr) go;
		char go_name[4], go_text[4];
	} notes;
	char names[48];
	ElfW(Shdr) sections[3];
};

static struct image
plain_image(void)
{
	struct image im = {
	    .head =
	        {
	            .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
	                sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32,
	                *(const char *)&(const int){1} ? ELFDATA2LSB : ELFDATA2MSB, EV_CURRENT},
	            .e_type = ET_DYN,
	            .e_machine = EM_X86_64,
	            .e_phoff = offsetof(struct image, segments),
	            .e_phnum = 2,
	            .e_phentsize = sizeof(ElfW(Phdr)),
	            .e_shoff = offsetof(struct image, sections),
	            .e_shnum = 3,
	            .e_shentsize = sizeof(ElfW(Shdr)),
	            .e_shstrndx = 1,
	        },
	    .segments = {{.p_type = PT_INTERP,
	                     .p_offset = offsetof(struct image, loader),
	                     .p_filesz = sizeof(LOADER)},
	        {.p_type = PT_NOTE,
	            .p_offset = offsetof(struct image, notes),
	            .p_filesz = sizeof(im.notes)}},
	    .loader = LOADER,
	    .notes = {.gnu = {4, 8, 3}, .gnu_name = "GNU", .go = {4, 4, 4}, .go_name = "Gx"},
	    .names = "\0.shstrtab\0.text\0.go.buildinfo",
	    .sections = {{.sh_name = 0},
	        {.sh_name = 1, .sh_offset = offsetof(struct image, names), .sh_size = 48},
	        {.sh_name = 11}},
	};

	return im;
}

static int
read_bytes(const void *bytes, size_t len, struct elf *ret)
{
	int fd = open(in_dir("program"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	r = elf_read(fd, ret);
	fd_close(&fd);
	return r;
}

static int
read_image(const struct image *im, struct elf *ret)
{
	return read_bytes(im, sizeof(*im), ret);
}

START_TEST(the_own_program_is_dynamic)
{
	struct elf e;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(elf_read(fd, &e), 1);
	ck_assert(e.is_dynamic && !e.is_foreign && !e.is_go);
	ck_assert_ptr_nonnull(strstr(e.loader, "/ld"));
	ck_assert_uint_ne(e.machine, 0);
	fd_close(&fd);
	ck_assert_int_eq(elf_read(-1, &e), -EBADF);
}
END_TEST

START_TEST(the_loader_is_named)
{
	struct image im = plain_image();
	struct elf e;

	ck_assert_int_eq(read_image(&im, &e), 1);
	ck_assert(e.is_dynamic && !e.is_go && !e.is_foreign);
	ck_assert_str_eq(e.loader, LOADER);
	ck_assert_uint_eq(e.machine, EM_X86_64);
}
END_TEST

START_TEST(without_a_loader_it_is_static)
{
	struct image im = plain_image();
	struct elf e;

	im.segments[0].p_type = PT_LOAD;
	ck_assert_int_eq(read_image(&im, &e), 1);
	ck_assert(!e.is_dynamic && !e.is_go);
	im.head.e_phnum = 0;
	ck_assert_int_eq(read_image(&im, &e), 1);
	ck_assert(!e.is_dynamic);
}
END_TEST

START_TEST(go_is_known_by_its_note_or_its_section)
{
	struct image im = plain_image();
	struct elf e;

	memcpy(im.notes.go_name, "Go\0", 4);
	ck_assert_int_eq(read_image(&im, &e), 1);
	ck_assert(e.is_go && e.is_dynamic);
	im = plain_image();
	im.sections[2].sh_name = 17;
	ck_assert_int_eq(read_image(&im, &e), 1);
	ck_assert(e.is_go);
	/* what is wrong with sections is no matter of loading */
	im.head.e_shstrndx = 7;
	ck_assert_int_eq(read_image(&im, &e), 1);
	ck_assert(!e.is_go);
	im.head.e_shstrndx = 1;
	im.head.e_shoff = UINT32_MAX;
	ck_assert_int_eq(read_image(&im, &e), 1);
	ck_assert(!e.is_go && e.is_dynamic);
}
END_TEST

START_TEST(other_classes_are_foreign)
{
	struct image im = plain_image();
	struct elf e;

	im.head.e_ident[EI_CLASS] ^= ELFCLASS32 ^ ELFCLASS64;
	ck_assert_int_eq(read_image(&im, &e), 1);
	ck_assert(e.is_foreign && !e.is_dynamic);
	im = plain_image();
	im.head.e_ident[EI_DATA] ^= ELFDATA2LSB ^ ELFDATA2MSB;
	ck_assert_int_eq(read_image(&im, &e), 1);
	ck_assert(e.is_foreign);
}
END_TEST

START_TEST(what_makes_no_sense_is_none)
{
	struct image im = plain_image();
	struct elf e;

	ck_assert_int_eq(read_bytes("#!/bin/sh\n", 10, &e), 0);
	ck_assert_int_eq(read_bytes("", 0, &e), 0);
	ck_assert_int_eq(read_bytes(&im, sizeof(im.head) - 1, &e), 0);
	ck_assert_int_eq(read_bytes(&im, offsetof(struct image, loader) + 3, &e), 0);
	im.head.e_phentsize = 1;
	ck_assert_int_eq(read_image(&im, &e), 0);
	im = plain_image();
	im.head.e_phnum = UINT16_MAX;
	ck_assert_int_eq(read_image(&im, &e), 0);
	im = plain_image();
	im.head.e_phoff = (ElfW(Off)) - 8;
	ck_assert_int_eq(read_image(&im, &e), 0);
	im = plain_image();
	im.segments[0].p_filesz = sizeof(LOADER) - 1; /* no terminator */
	ck_assert_int_eq(read_image(&im, &e), 0);
	im.segments[0].p_filesz = 0;
	ck_assert_int_eq(read_image(&im, &e), 0);
	im.segments[0].p_filesz = 100000;
	ck_assert_int_eq(read_image(&im, &e), 0);
	im = plain_image();
	im.loader[0] = 'x';
	ck_assert_int_eq(read_image(&im, &e), 0);
}
END_TEST

/* The lengths in a note lead nowhere else. */
START_TEST(notes_with_wrong_lengths_end)
{
	static const uint32_t lengths[] = {0, 5, 4096, UINT32_MAX, UINT32_MAX - 2, 0x80000000};
	struct elf e;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct image im = plain_image();

		im.notes.gnu.n_namesz = lengths[i];
		ck_assert_int_eq(read_image(&im, &e), 1);
		im.notes.gnu.n_descsz = lengths[i];
		ck_assert_int_eq(read_image(&im, &e), 1);
		im.segments[1].p_filesz = 7;
		ck_assert_int_eq(read_image(&im, &e), 1);
		ck_assert(!e.is_go);
	}
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("elf");

	tcase_add_test(t, the_own_program_is_dynamic);
	tcase_add_test(t, the_loader_is_named);
	tcase_add_test(t, without_a_loader_it_is_static);
	tcase_add_test(t, go_is_known_by_its_note_or_its_section);
	tcase_add_test(t, other_classes_are_foreign);
	tcase_add_test(t, what_makes_no_sense_is_none);
	tcase_add_test(t, notes_with_wrong_lengths_end);
	return support_main("elf", t);
}
