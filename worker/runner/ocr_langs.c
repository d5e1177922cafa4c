#include "ocr_langs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_NAME = 24 };

static const struct {
	const char *name, *code;
} known[] = {
	{ "en", "eng" }, { "ja", "jpn" }, { "ch_sim", "chi_sim" }, { "ch_tra", "chi_tra" }, { "zh", "chi_sim" }, { "zh_cn", "chi_sim" },
	{ "zh_tw", "chi_tra" }, { "ko", "kor" }, { "de", "deu" }, { "fr", "fra" }, { "es", "spa" }, { "it", "ita" }, { "pt", "por" },
	{ "nl", "nld" }, { "ru", "rus" }, { "uk", "ukr" }, { "pl", "pol" }, { "cs", "ces" }, { "sk", "slk" }, { "sl", "slv" },
	{ "hr", "hrv" }, { "hu", "hun" }, { "ro", "ron" }, { "bg", "bul" }, { "el", "ell" }, { "tr", "tur" }, { "sv", "swe" },
	{ "no", "nor" }, { "da", "dan" }, { "fi", "fin" }, { "et", "est" }, { "lv", "lav" }, { "lt", "lit" }, { "ar", "ara" },
	{ "fa", "fas" }, { "he", "heb" }, { "hi", "hin" }, { "bn", "ben" }, { "ta", "tam" }, { "te", "tel" }, { "th", "tha" },
	{ "vi", "vie" }, { "id", "ind" }, { "ms", "msa" }, { "la", "lat" },
};

const char *ocr_lang_code(const char *name)
{
	for (size_t i = 0; i < countof(known); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].code;
	return name;
}

/* ---- where the data is ---- */

static bool try_dir(char *dir, size_t size, struct buf *tried, const char *top, const char *below)
{
	snprintf(dir, size, "%s%s", top, below);
	if (access(dir, R_OK) == 0)
		return true;
	if (tried)
		buf_printf(tried, "%s%s", tried->len ? ", " : "", dir);
	*dir = '\0';
	return false;
}

void ocr_langs_dir(char *dir, size_t size, struct buf *tried)
{
	static const char *const places[] = { "/usr/share/tesseract-ocr/5/tessdata", "/usr/share/tesseract-ocr/4.00/tessdata",
		"/usr/share/tessdata", "/usr/local/share/tessdata" };
	const char *given = getenv("TESSDATA_PREFIX");

	if (given && *given && strlen(given) < size - 10) {
		if (!try_dir(dir, size, NULL, given, "/tessdata"))
			try_dir(dir, size, tried, given, "");
		return;
	}
	for (size_t i = 0; i < countof(places); i++)
		if (try_dir(dir, size, tried, places[i], ""))
			return;
}

/* ---- the list ---- */

static bool is_name(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return n > 0 && !s[n];
}

static bool is_in(const char *list, const char *code)
{
	size_t n = strlen(code);

	for (const char *at = list; (at = strstr(at, code)); at += n)
		if ((at == list || at[-1] == '+') && (!at[n] || at[n] == '+'))
			return true;
	return false;
}

static int check_data(const char *dir, const char *name, const char *code, struct err *err)
{
	char path[700], package[48];

	snprintf(path, sizeof path, "%s/%s.traineddata", dir, code);
	if (access(path, R_OK) == 0)
		return 0;
	snprintf(package, sizeof package, "tesseract-ocr-%s", code);
	for (char *c = package; *c; c++)
		*c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
	return err_set(err, ERR_REJECT, "there is no data for the language '%s': %s is not there; Debian's package %s has it", name, path,
		package);
}

static int add_name(const char *name, const char *dir, char list[OCR_LANGS], struct err *err)
{
	const char *code = ocr_lang_code(name);
	size_t used = strlen(list);

	if (!is_name(name) || strlen(name) > MOST_NAME)
		return err_set(err, ERR_REJECT, "'%.40s' is no name of a language: letters, digits and _ are allowed, as in eng, jpn, chi_sim, en, "
			"ja, ch_sim", name);
	if (is_in(list, code))
		return 0;
	if (check_data(dir, name, code, err) < 0)
		return -1;
	if (used + strlen(code) + 2 > OCR_LANGS)
		return err_set(err, ERR_REJECT, "too many languages at '%s': their names may have %d characters", name, OCR_LANGS);
	snprintf(list + used, OCR_LANGS - used, "%s%s", used ? "+" : "", code);
	return 0;
}

int ocr_langs_read(const json_t *names, const char *dir, char ret[OCR_LANGS], struct err *err)
{
	char list[OCR_LANGS] = "";

	for (size_t i = 0; i < json_array_size(names); i++) {
		scoped(free_p) char *text = xstrdup(json_string_value(json_array_get(names, i)));
		char *rest = text, *name;

		while ((name = strsep(&rest, ",+ ")))
			if (*name && add_name(name, dir, list, err) < 0)
				return -1;
	}
	if (!*list && add_name("eng", dir, list, err) < 0)
		return -1;
	memcpy(ret, list, OCR_LANGS);
	return 0;
}
