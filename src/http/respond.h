/*
 * respond: the text of answers. The public functions brood_respond*() are here.
 */
#ifndef BROOD_HTTP_RESPOND_H
#define BROOD_HTTP_RESPOND_H

#include <stdbool.h>

struct brood_request;
struct conn;

/* What the room answers by itself, to what it could not or would not hand out. */
int respond_refusal(struct conn *c, int status, bool is_head);
/* "100 Continue" */
int respond_continue(struct conn *c);
/* There is room again, or the connection is gone: whoever was refused goes on. */
void respond_room(struct brood_request *r);

#endif
