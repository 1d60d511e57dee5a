/*
 * llhttp_api: the hand-written half of llhttp, see llhttp_machine.c. Angle brackets, since this
 * room has an http.c of its own.
 */
#include <api.c>
#include <http.c>
