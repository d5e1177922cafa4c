/*
 * lastwords.h - why this process is about to die, where its parent finds it.
 *
 * A page of memory that both share (a memory file, given to the parent with the ready message): the socket may be
 * in the middle of a message, and a signal handler can write to memory whatever else is broken. The first
 * words stay. The parent takes them as one clause of the step's error: "it called socket(AF_INET), which ...".
 */
#ifndef LASTWORDS_H
#define LASTWORDS_H

#include "base.h"

/* The descriptor for the parent, which the caller closes; its size can change no more. -1: there will be no words. */
int lastwords_open(void);

/* Safe in a signal handler; nothing happens before lastwords_open(). */
void lastwords(const char *fmt, ...) printf_like(1, 2);

/* It ran out of memory: says so with the limit. `detail` may be NULL. */
void lastwords_memory(const char *detail);

/* What this thread is about, for the words of a crash: "while it ran the model 'yolov8n'". The text stays the caller's and has to
 * stay; NULL: nothing. */
void lastwords_doing(const char *what);

/* Who runs out of memory: "a runner" unless it is said. Of static life. */
void lastwords_name(const char *who);

/* What GLib, libvips and C++ end with when they cannot allocate is SIGABRT: from now on it says so first. */
void lastwords_on_abort(void);

/* The same for a bad address, a division by zero, an instruction that is none: in other people's code, and lastwords_doing()
 * says in whose. */
void lastwords_on_crash(void);

#endif
