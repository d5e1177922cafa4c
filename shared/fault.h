/*
 * fault.h - named places where tests may make the world fail.
 *
 * FAULT="claim.reply=2,ledger.committed=1" makes fault() true at the 2nd claim and the 1st
 * commit; "name=*" makes it true every time. Every name is a row of fault.def, so --faults
 * prints them and a test can walk them all. Compiled to `false` unless built with -DFAULTS.
 *
 * FAULT_PAGE names a file that tests write while the program runs, and that it shares with its
 * runners: 64-bit numbers, first the seconds by which the wall clock is wrong, then for each row
 * of fault.def how often its point was reached (written here), and at which count it strikes.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#ifdef FAULTS
bool fault(const char *name);
int64_t fault_clock_us(void);
#else
static inline bool fault(const char *name) { (void)name; return false; }
static inline int64_t fault_clock_us(void) { return 0; }
#endif

/* The process ends here and now, as by kill -9, when the fault is due. */
void fault_die(const char *name);

void faults_print(FILE *to);

#endif
