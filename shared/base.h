/*
 * base.h - the few words every file in this tree may use without asking.
 *
 *   must(x)        a programming error if false; logs and aborts, in every build
 *   scoped(fn)     run fn(&var) when var leaves scope
 *   steal(&p)      move a pointer out of its variable, leaving NULL behind
 *   xcalloc, ...   allocation that cannot fail: running out of memory ends the
 *                  process, and the lists in Redis hand its work to another one.
 *                  Bound every size that comes from outside before you get here.
 */
#ifndef BASE_H
#define BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define must_use      __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define scoped(fn)    __attribute__((cleanup(fn)))
#define countof(a)    (sizeof(a) / sizeof((a)[0]))
#define min_of(a, b)  __extension__ ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define max_of(a, b)  __extension__ ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })

#define must(x) ((x) ? (void)0 : must_failed(#x, __FILE__, __LINE__, __func__))
_Noreturn void must_failed(const char *what, const char *file, int line, const char *func);

#define steal(pp) __extension__ ({      \
	__typeof__(pp) pp_ = (pp);      \
	__typeof__(*pp_) v_ = *pp_;     \
	*pp_ = NULL;                    \
	v_;                             \
})

/* Give a type a scoped destructor: DEFINE_SCOPED(json_t *, json_decref) makes json_decref_p. */
#define DEFINE_SCOPED(type, fn)                      \
	static inline void fn##_p(type *p)           \
	{                                            \
		if (*p)                              \
			fn(*p);                      \
	}

void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((malloc, returns_nonnull)) printf_like(1, 2);
/* For main(): blocks of a megabyte and more go back to the system when they are freed, so that a few
 * huge documents do not stay on as the size of the process. glibc would learn to keep them. arenas: 0 is
 * glibc's choice, one for each thread; what large batches leave behind in each grows for hours. */
void heap_setup(int arenas);
/* Gives back to the system what is free inside the heap, when that is more than `least` bytes: after a large batch the
 * blocks that are still in use keep the rest from being given back by itself. To be called now and then. */
void heap_trim(size_t least);

void free_p(void *pp);          /* for: scoped(free_p) char *s = NULL; */
void close_p(int *fd);          /* for: scoped(close_p) int fd = -1; */

/* Growth for the arrays kept as (items, count, capacity): doubles *cap until n fits. */
void *grow(void *items, size_t n, size_t *cap, size_t item_size) __attribute__((returns_nonnull));

#endif
