/*
 * llhttp_api: the hand-written half of llhttp, see llhttp_machine.c. Angle brackets, since rooms
 * have files of these names.
 */
#include <api.c>
#include <http.c>
