/*
 * llhttp_machine: the generated half of llhttp. The distribution ships the parser as text and not
 * as a library, so it is compiled here; nothing of it is kept in this tree, configure finds it.
 * A unit of its own, since the two halves declare their common functions differently.
 */
#include <llhttp.c>
