/*
 * steer: ACTION_STEER. The core says which seats get new connections; here every steered listener
 * of the app gets a program that says the same, or its plug (sys/queue.h) while they are held off.
 *
 * The core knows seats, not addresses. While a rollout brings an address in or takes one away, only
 * some of the seats have a reader at that address: its program names those, and as long as there
 * are none its clients are held off.
 */
#ifndef BROOD_LOOP_STEER_H
#define BROOD_LOOP_STEER_H

struct loop;
struct action;
struct listener;

void steer_apply(struct loop *l, const struct action *a);
/* The group of ls is not what its program knows: it grew, or its order changed. */
void steer_listener(struct loop *l, struct listener *ls);
/* A worker of app changed its state: seats may have a reader at an address that had none. */
void steer_on_transition(struct loop *l, const char *app);

#endif
