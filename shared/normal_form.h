/*
 * normal_form.h - the shapes a pipeline definition may have become one; and how problems are told.
 *
 * A problem is {"at": JSON pointer, "found": the value (shortened), "allowed": words}.
 */
#ifndef NORMAL_FORM_H
#define NORMAL_FORM_H

#include "tools.h"

/* New {"name","on_failure"?,"steps":[{"at":"steps/0","id","tool"?,"needs":[...],"params"?,...}]}, where every id and
 * every need is a string and a tool that is not one is missing; NULL when there is no list of steps. What is wrong
 * is appended to `problems`, and left out or named "?<index>" in the result, so that the rest can be checked too. */
json_t *normal_form(const json_t *body, const char *pointer, json_t *problems);

#define PROBLEMS_KEPT 100
/* Down to PROBLEMS_KEPT and a last one that says that there are more: before they are shown or stored. */
void problems_cut(json_t *problems);

/* fmt makes "allowed|pointer"; found may be NULL (it is missing). */
void problem_add(json_t *problems, const json_t *found, const char *fmt, ...) printf_like(3, 4);
/* A problem for each member of `object` that is not in `known` (ends in NULL). */
void problem_unknown_members(json_t *problems, const json_t *object, const char *const *known, const char *at);

/* 1 to `most` of a-z, 0-9, _ and -. */
bool name_is(const char *text, size_t most);

#endif
