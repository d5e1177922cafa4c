/*
 * ocr_langs.h - the names of languages: as people and other programs give them, as Tesseract's data files have them.
 *
 *	ocr_langs_read(params "langs", dir, &list, err)         ["en,ja", "chi_sim"] -> "eng+jpn+chi_sim"
 *
 * Tesseract's own names (eng, jpn, chi_sim) are taken as they are; the two-letter names that other programs use (en, ja,
 * ch_sim, zh) are translated. A language whose data is not there is ERR_REJECT, with the package that has it.
 */
#ifndef OCR_LANGS_H
#define OCR_LANGS_H

#include "buf.h"
#include "err.h"

enum { OCR_LANGS = 160 };       /* bytes of a list */

/* Tesseract's name, or the name itself. */
const char *ocr_lang_code(const char *name);

/* Where the data is: TESSDATA_PREFIX (or its folder tessdata), else where distributions put it. "": nowhere; then
 * `tried`, unless NULL, says where was looked. */
void ocr_langs_dir(char *dir, size_t size, struct buf *tried);

/* `names`: a list of strings, each a name or several with commas; each language counts once. */
int ocr_langs_read(const json_t *names, const char *dir, char ret[OCR_LANGS], struct err *err) must_use;

#endif
