/* lua.h - the files of shared/lua/, compiled in (see the Makefile). */
#ifndef LUA_H
#define LUA_H

#include <stddef.h>

struct lua_script {
	const char *name;       /* "claim" */
	const char *text;
};

extern const struct lua_script lua_scripts[];
extern const size_t nlua_scripts;

#endif
