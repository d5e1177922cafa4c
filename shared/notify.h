/*
 * notify.h - telling systemd how we are (sd_notify(3)): a datagram to $NOTIFY_SOCKET.
 * Without that variable nothing happens, so programs call these wherever they run.
 */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "base.h"

/* "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=..."; several are separated by newlines. */
void notify_send(const char *fmt, ...) printf_like(1, 2);

/* How often WATCHDOG=1 has to come at the latest, from $WATCHDOG_USEC; 0: nobody watches. */
unsigned notify_watchdog_ms(void);

#endif
