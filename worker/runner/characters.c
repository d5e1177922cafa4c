#include "characters.h"

#include <string.h>

enum { CAPITAL_SIGMA = 0x3A3, SIGMA = 0x3C3, FINAL_SIGMA = 0x3C2, CAPITAL_I_DOT = 0x130, DOT_ABOVE = 0x307 };

enum character_kind character_kind(gunichar c)
{
	if ((c >= '\t' && c <= '\r') || c == 0x85)
		return CHARACTER_SPACE;
	switch (g_unichar_type(c)) {
	case G_UNICODE_SPACE_SEPARATOR:
	case G_UNICODE_LINE_SEPARATOR:
	case G_UNICODE_PARAGRAPH_SEPARATOR:
		return CHARACTER_SPACE;
	case G_UNICODE_UPPERCASE_LETTER:
	case G_UNICODE_LOWERCASE_LETTER:
	case G_UNICODE_TITLECASE_LETTER:
	case G_UNICODE_MODIFIER_LETTER:
	case G_UNICODE_OTHER_LETTER:
		return CHARACTER_LETTER;
	case G_UNICODE_DECIMAL_NUMBER:
	case G_UNICODE_LETTER_NUMBER:
	case G_UNICODE_OTHER_NUMBER:
		return CHARACTER_NUMBER;
	default:
		return CHARACTER_OTHER;
	}
}

bool character_is_control(gunichar c)
{
	GUnicodeType type = g_unichar_type(c);

	return type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT || type == G_UNICODE_PRIVATE_USE;
}

bool character_is_nonspacing(gunichar c)
{
	return g_unichar_type(c) == G_UNICODE_NON_SPACING_MARK;
}

bool character_is_punctuation(gunichar c)
{
	GUnicodeType type = g_unichar_type(c);

	return (c < 0x80 && g_ascii_ispunct((gchar)c)) || (type >= G_UNICODE_CONNECT_PUNCTUATION && type <= G_UNICODE_OPEN_PUNCTUATION);
}

/* The blocks that BERT's own code lists; later ones were not there yet. */
bool character_is_ideograph(gunichar c)
{
	return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
		(c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B820 && c <= 0x2CEAF) ||
		(c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

/* ---- lower case ---- */

/* The letters, and what else the Unicode Standard calls Uppercase or Lowercase: ordinals, Roman numerals, circled letters. */
static bool is_cased(gunichar c)
{
	return g_unichar_isupper(c) || g_unichar_islower(c) || g_unichar_istitle(c) || c == 0xAA || c == 0xBA ||
		(c >= 0x2160 && c <= 0x217F) || (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
		(c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

/* What may stand between the letters of a word. */
static bool is_case_ignorable(gunichar c)
{
	static const gunichar marks[] = { '\'', '.', ':', 0xB7, 0x387, 0x55F, 0x5F4, 0x2018, 0x2019, 0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55,
		0xFF07, 0xFF0E, 0xFF1A };

	switch (g_unichar_type(c)) {
	case G_UNICODE_NON_SPACING_MARK:
	case G_UNICODE_ENCLOSING_MARK:
	case G_UNICODE_FORMAT:
	case G_UNICODE_MODIFIER_LETTER:
	case G_UNICODE_MODIFIER_SYMBOL:
		return true;
	default:
		for (size_t i = 0; i < countof(marks); i++)
			if (c == marks[i])
				return true;
		return false;
	}
}

/* The Final_Sigma of the Unicode Standard: after a letter that has a case, and before none. */
static bool is_final(const char *text, const char *at)
{
	const char *before = at, *after = g_utf8_next_char(at);

	do
		before = before > text ? g_utf8_prev_char(before) : NULL;
	while (before && is_case_ignorable(g_utf8_get_char(before)));
	while (*after && is_case_ignorable(g_utf8_get_char(after)))
		after = g_utf8_next_char(after);
	return before && is_cased(g_utf8_get_char(before)) && !(*after && is_cased(g_utf8_get_char(after)));
}

/* GLib knows the case of letters only. */
static gunichar lower(gunichar c)
{
	if (c >= 0x2160 && c <= 0x216F)         /* Roman numerals */
		return c + 16;
	if (c >= 0x24B6 && c <= 0x24CF)         /* circled letters */
		return c + 26;
	return g_unichar_tolower(c);
}

/* g_utf8_strdown() goes by the locale, and by another rule for the sigma. */
char *characters_lower(const char *text)
{
	struct buf to = { 0 };

	for (const char *at = text; *at; at = g_utf8_next_char(at)) {
		gunichar c = g_utf8_get_char(at);

		if (c == CAPITAL_SIGMA)
			characters_add(&to, is_final(text, at) ? FINAL_SIGMA : SIGMA);
		else
			characters_add(&to, lower(c));
		if (c == CAPITAL_I_DOT)
			characters_add(&to, DOT_ABOVE);
	}
	return buf_take(&to);
}

/* ---- whole texts ---- */

static char *taken(char *from_glib)
{
	char *text = xstrdup(from_glib);

	g_free(from_glib);
	return text;
}

char *characters_compose(const char *text)
{
	return taken(g_utf8_normalize(text, -1, G_NORMALIZE_NFC));
}

char *characters_decompose(const char *text)
{
	return taken(g_utf8_normalize(text, -1, G_NORMALIZE_NFD));
}

char *characters_valid(const char *text)
{
	return taken(g_utf8_make_valid(text, -1));
}
