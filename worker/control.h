/*
 * control.h - what dispatchers broadcast on pixelfleet:control: {"cancel":"<job>"}.
 *
 * What of that job has not started is dropped, what runs is stopped; each is reported with
 * the error kind "cancel". A broadcast that is missed costs only work in vain.
 */
#ifndef CONTROL_H
#define CONTROL_H

struct worker;

void control_start(struct worker *w);
void control_join(struct worker *w);

/* Does what one message says; anything else is ignored. */
void control_obey(struct worker *w, const char *text, unsigned long len);

#endif
