/*
 * status: the words of the status line.
 */
#ifndef BROOD_HTTP_STATUS_H
#define BROOD_HTTP_STATUS_H

#include <stdbool.h>

/* "Not Found" for 404; for what is not registered a word for its class. */
const char *status_text(int status);
/* Whether an answer can have it: 200 to 599. */
bool status_is_final(int status);
/* 204 and 304 end with their head. */
bool status_has_body(int status);

#endif
