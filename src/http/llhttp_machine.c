/*
 * llhttp_machine: the generated half of llhttp. The distribution ships the parser as text and not
 * as a library, so it is compiled here; nothing of it is kept in this tree, configure finds it.
 * A unit of its own, since the two halves declare their common functions differently.
 *
 * In strict mode: the loose one takes "Name : value" and any two bytes for the end of a chunk,
 * which a proxy before us may read in another way.
 */
#define LLHTTP_STRICT_MODE 1
#include <llhttp.c>
