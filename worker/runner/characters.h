/*
 * characters.h - what tokenizers ask about the characters of a text, by the Unicode of GLib.
 *
 * GLib comes with libvips, and its tables grow with the distribution (Debian 12: Unicode 14 or 15, Debian 13: 16). A character that
 * it does not know yet has no case and belongs to `other`.
 */
#ifndef CHARACTERS_H
#define CHARACTERS_H

#include "buf.h"

#include <glib.h>

enum character_kind { CHARACTER_SPACE, CHARACTER_LETTER, CHARACTER_NUMBER, CHARACTER_OTHER };      /* White_Space, L, N */

enum character_kind character_kind(gunichar c);
bool character_is_control(gunichar c);          /* Cc, Cf, Co */
bool character_is_nonspacing(gunichar c);       /* Mn */
bool character_is_punctuation(gunichar c);      /* P, and what is neither letter nor digit in ASCII */
bool character_is_ideograph(gunichar c);        /* CJK, each of which is a word to BERT */

/* The text in lower case, of well-formed UTF-8, whatever the locale: a sigma at the end of a word is the final one. */
char *characters_lower(const char *text);       /* new */

/* New, in the heap of base.h: composed (NFC) or decomposed (NFD). */
char *characters_compose(const char *text);
char *characters_decompose(const char *text);

/* New: bytes that are no UTF-8 become U+FFFD. */
char *characters_valid(const char *text);

static inline void characters_add(struct buf *to, gunichar c)
{
	char bytes[6];

	buf_add(to, bytes, (size_t)g_unichar_to_utf8(c, bytes));
}

#endif
