/*
 * steer: ACTION_STEER. The core says which seats get new connections; here every steered listener
 * of the app gets a program that says the same, or its plug (sys/queue.h) while they are held off.
 */
#ifndef BROOD_LOOP_STEER_H
#define BROOD_LOOP_STEER_H

struct loop;
struct action;

void steer_apply(struct loop *l, const struct action *a);

#endif
