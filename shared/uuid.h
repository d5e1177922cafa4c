/*
 * uuid.h - UUIDv7 (RFC 9562): 48 bits of milliseconds, then random. Ids made by one
 * process ascend, so that new rows land at the end of the index.
 */
#ifndef UUID_H
#define UUID_H

#include <stdbool.h>
#include <stdint.h>

#define UUID_TEXT 37            /* 36 characters and the end */

void uuid_new(char text[UUID_TEXT]);                            /* thread-safe */
void uuid_at(int64_t wall_ms, char text[UUID_TEXT]);            /* the least id of that millisecond */
void uuid_raw(const char *text, uint8_t raw[16]);                /* of one that uuid_is(); never beyond its end */
void uuid_text(const uint8_t raw[16], char text[UUID_TEXT]);
bool uuid_is(const char *text);                                 /* 8-4-4-4-12 hexadecimal digits, lower case */

#endif
