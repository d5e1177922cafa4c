/*
 * clock.h - the two clocks. Waiting and ages use the monotonic one, which no
 * administrator can move; the wall clock is only for people and for ids.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

#define CLOCK_TEXT 32           /* room for "2026-01-02T03:04:05.678901Z" */

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_us(void);    /* microseconds since 1970 UTC */

/* RFC 3339 in UTC with microseconds; buf has CLOCK_TEXT bytes. Returns buf. */
char *clock_format(int64_t wall_us, char *buf);

void clock_sleep_ms(unsigned ms);

#endif
