/*
 * ids: names of things that may end before their names are forgotten. An id is never given twice
 * (until a place was used 2^32 times), so that clearing a timer that has run hits no other.
 */
#ifndef BROOD_RUNTIME_IDS_H
#define BROOD_RUNTIME_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "brood.h"

enum id_kind { ID_NONE, ID_TIMER, ID_IMMEDIATE, ID_OFFLOAD };

struct ids {
	struct id_place *places;
	size_t cap;
	uint32_t free; /* first free place, as its number plus one; 0: none */
};

/* 0: no memory. */
brood_id ids_add(struct ids *t, enum id_kind kind, void *what);
/* NULL: it has ended, or is of another kind. */
void *ids_find(const struct ids *t, brood_id id, enum id_kind kind);
/* ID_NONE: it has ended. */
enum id_kind ids_kind(const struct ids *t, brood_id id);
/* It must be there. */
void ids_remove(struct ids *t, brood_id id);
void ids_done(struct ids *t);

#endif
