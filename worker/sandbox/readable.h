/*
 * readable.h - the few places of the file system that libraries still read after the sandbox has closed: fonts,
 * shared objects and plug-ins that load late, models. Nothing secret is there; everything else is out of reach.
 */
#ifndef READABLE_H
#define READABLE_H

#include "base.h"

/* Once, before the sandbox closes: reads HOME, PIXELFLEET_MODELS_DIR and TESSDATA_PREFIX. */
void readable_init(void);

const char *readable_at(size_t i);                      /* NULL: after the last. They need not exist */

/* Both look at the text only, and know nothing of links: Landlock judges what is really opened. */
bool readable_has(const char *path);
/* A folder on the way to the models, after readable_show_way(): libraries that want the real name of a file look at each.
 * Not for opening. */
bool readable_leads_to(const char *path);
void readable_show_way(void);           /* for who opens models itself; a runner has no business there */
/* Libraries look there and do well without: they are told no, and live. */
bool readable_is_harmless(const char *path);

#endif
