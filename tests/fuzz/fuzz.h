/*
 * fuzz.h - what the fuzz targets share.
 *
 * tests/fuzz/fuzz_NAME.c is one target: LLVMFuzzerTestOneInput() hands bytes from nowhere to one
 * door of the programs, and must()s what that door promises whatever comes. Its corpus is
 * tests/fuzz/corpus/NAME/: `make replay` runs it, each file once, under ASan and UBSan;
 * `make fuzz` lets libFuzzer go on from there. A finding becomes a file of the corpus, named after
 * what it broke.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "buf.h"
#include "definition.h"
#include "err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes as a string of their own allocation, up to the first NUL. */
char *fuzz_text(const uint8_t *data, size_t size);
/* The same of the next line, which is taken off; "" when there is none. */
char *fuzz_line(const uint8_t **data, size_t *size);

/* Well-formed UTF-8, and JSON by the rules that documents from outside are read by. */
bool fuzz_is_utf8(const char *text, size_t len);
json_t *fuzz_must_be_json(const char *text, size_t len);        /* new */

/* Each says where (a JSON pointer), and what is allowed; and so does the line for people. */
void fuzz_check_problems(const json_t *problems);
/* It is not to be tried again, and the message can be shown. */
void fuzz_check_refusal(const struct err *err);
/* Numbers and nodes fit each other; the normal form is a definition, and its own normal form. */
void fuzz_check_definition(const struct definition *d);

/* A directory that is removed at exit:
 *   root/a.png  root/dir/b.png  root/text        under the allowed root
 *   root/link -> outside/secret.png, root/up -> .., root/pipe (a FIFO)
 *   outside/secret.png                           not for anybody */
const char *fuzz_dir(void);

#endif
