/*
 * mem: malloc and its kin with one addition: a test can make the n-th allocation fail, so that
 * each path that runs out of memory is walked (F6). Same contract as libc: NULL on failure.
 */
#ifndef BROOD_BASE_MEM_H
#define BROOD_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t size);
void *mem_calloc(size_t n, size_t size);
void *mem_realloc(void *p, size_t size);
char *mem_strdup(const char *s);
/* n bytes of s, whatever they are, and a NUL. */
char *mem_strndup(const char *s, size_t n);
void mem_free(void *p);

/* Tests only: the n-th call from now on (1 = the next) fails, and `times` calls from there on;
 * n = 0 turns it off. */
void mem_fail_at(unsigned long n, unsigned long times);
/* Calls since the last mem_fail_at(). */
unsigned long mem_calls(void);

#endif
