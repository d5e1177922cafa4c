/*
 * fault.h - named places where tests may make the world fail.
 *
 * FAULT="claim.reply=2,ledger.committed=1" makes fault() true at the 2nd claim and the 1st
 * commit; "name=*" makes it true every time. Every name is a row of fault.def, so --faults
 * prints them and a test can walk them all. Compiled to `false` unless built with -DFAULTS.
 */
#ifndef FAULT_H
#define FAULT_H

#include <stdbool.h>
#include <stdio.h>

#ifdef FAULTS
bool fault(const char *name);
#else
static inline bool fault(const char *name) { (void)name; return false; }
#endif

/* The process ends here and now, as by kill -9, when the fault is due. */
void fault_die(const char *name);

void faults_print(FILE *to);

#endif
