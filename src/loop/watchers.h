/*
 * watchers: the memory of libuv's table of descriptors. libuv ends the program with abort() where
 * that table cannot grow (uv__io_start); so it gets a place that is there from the beginning.
 */
#ifndef BROOD_LOOP_WATCHERS_H
#define BROOD_LOOP_WATCHERS_H

/* Once, before libuv is first used. */
void watchers_init(void);

#endif
