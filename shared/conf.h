/*
 * conf.h - every setting of all programs, from one table (conf.def).
 *
 * Settings come from the environment (systemd passes them with EnvironmentFile). A
 * value that does not parse, or an unknown PIXELFLEET_ name, is an error: a program
 * never starts half right. Secrets are read once and never printed.
 */
#ifndef CONF_H
#define CONF_H

#include "err.h"

#include <stdio.h>

typedef char *conf_STR;
typedef unsigned conf_UINT;
typedef size_t conf_SIZE;
typedef double conf_NUM;
typedef bool conf_BOOL;

struct conf {
#define CONF(field, env, type, def, flags, help) conf_##type field;
#include "conf.def"
#undef CONF
};

/* Reads the environment. The token file, when named, has replaced internal_token. */
int conf_load(struct conf *ret, const char *const *env, struct err *err) must_use;
void conf_done(struct conf *c);

/* -1 unless the internal token is set and at least 32 characters long. */
int conf_need_token(const struct conf *c, struct err *err) must_use;

void conf_print(const struct conf *c, FILE *to);        /* NAME=value lines; secrets shown as *** */
void conf_help(FILE *to);                               /* NAME, default and meaning */

#endif
