/*
 * ids: see ids.h. An id is the number of its place plus one, and above that how often the place
 * was used before.
 */
#include "runtime/ids.h"

#include "base/mem.h"

#define FIRST_PLACES 64

struct id_place {
	void *what;
	uint32_t used;
	uint32_t next_free;
	enum id_kind kind;
};

static bool
grow(struct ids *t)
{
	size_t cap = t->cap > 0 ? 2 * t->cap : FIRST_PLACES;
	struct id_place *places;

	if (cap > UINT32_MAX / 2)
		return false;
	places = mem_realloc(t->places, cap * sizeof *places);
	if (places == NULL)
		return false;
	for (size_t i = t->cap; i < cap; i++)
		places[i] = (struct id_place){
		    .next_free = i + 1 < cap ? (uint32_t)(i + 2) : 0,
		};
	t->free = (uint32_t)(t->cap + 1);
	t->places = places;
	t->cap = cap;
	return true;
}

brood_id
ids_add(struct ids *t, enum id_kind kind, void *what)
{
	struct id_place *p;
	uint32_t at;

	if (t->free == 0 && !grow(t))
		return 0;
	at = t->free;
	p = &t->places[at - 1];
	t->free = p->next_free;
	p->what = what;
	p->kind = kind;
	return (brood_id)p->used << 32 | at;
}

static struct id_place *
place_of(const struct ids *t, brood_id id)
{
	uint32_t at = (uint32_t)id;
	struct id_place *p;

	if (at == 0 || at > t->cap)
		return NULL;
	p = &t->places[at - 1];
	return p->kind != ID_NONE && p->used == id >> 32 ? p : NULL;
}

void *
ids_find(const struct ids *t, brood_id id, enum id_kind kind)
{
	const struct id_place *p = place_of(t, id);

	return p != NULL && p->kind == kind ? p->what : NULL;
}

enum id_kind
ids_kind(const struct ids *t, brood_id id)
{
	const struct id_place *p = place_of(t, id);

	return p != NULL ? p->kind : ID_NONE;
}

void
ids_remove(struct ids *t, brood_id id)
{
	struct id_place *p = place_of(t, id);

	p->kind = ID_NONE;
	p->what = NULL;
	p->used++;
	p->next_free = t->free;
	t->free = (uint32_t)id;
}

void
ids_done(struct ids *t)
{
	mem_free(t->places);
	*t = (struct ids){0};
}
