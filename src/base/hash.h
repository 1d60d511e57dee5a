/*
 * hash: uthash as this project uses it. A table that can't grow refuses the new entry (its handle's
 * tbl is NULL after HASH_ADD) instead of ending the program, and its memory can be made to fail
 * like all other (base/mem.h).
 */
#ifndef BROOD_BASE_HASH_H
#define BROOD_BASE_HASH_H

#include "base/mem.h"

#define HASH_NONFATAL_OOM 1
#define uthash_malloc(size) mem_alloc(size)
#define uthash_free(p, size) mem_free(p)
#include <uthash.h>

#endif
