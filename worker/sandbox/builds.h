/*
 * builds.h - what kind of build this is, where the sandbox must know: sanitizers and coverage counters do at the
 * end of a process what a picture never needs. Released programs have neither.
 */
#ifndef BUILDS_H
#define BUILDS_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1          /* terabytes of address space; a tracer at the end that looks for leaks */
#else
#define IS_SANITIZED 0
#endif

#ifdef COVERAGE
#define IS_COVERAGE 1           /* files are written at exit */
#else
#define IS_COVERAGE 0
#endif

#endif
