/*
 * clock: the two clocks. Timers and ages use the monotonic one, always; the wall clock is for
 * what people read (T1 in the catalogue of faults: a step of the wall clock changes nothing).
 */
#ifndef BROOD_BASE_CLOCK_H
#define BROOD_BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in microseconds. */
uint64_t clock_now_us(void);
/* What this thread has used of a CPU, in microseconds: what something costs, however busy the
 * machine is. */
uint64_t clock_cpu_us(void);
/* CLOCK_REALTIME in milliseconds since 1970. */
uint64_t clock_wall_ms(void);
/* "2026-11-21T02:29:00.123Z": writes at most 25 bytes with the terminator. */
void clock_format_wall(uint64_t wall_ms, char buf[25]);

#endif
