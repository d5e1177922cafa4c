/*
 * meter.h - how much memory this process has. Its file is opened once, before the sandbox closes.
 */
#ifndef METER_H
#define METER_H

#include "base.h"

void meter_open(void);
size_t meter_rss(void);         /* bytes; 0: not known */
size_t meter_peak(void);        /* bytes, since the process began */

#endif
