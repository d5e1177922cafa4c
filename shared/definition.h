/*
 * definition.h - a pipeline definition: checked, in normal form, and compiled to numbers.
 *
 * Three forms are accepted and become one (see definition_parse): {"steps":[{"id","tool",
 * "needs",...}]}, the short form {"steps":[{"name","params"}]} that is a chain when nothing
 * needs anything, and {"components":[{"id","name","component_type","parameters",
 * "dependencies"}]}. Where a step wants a picture that no need gives it, the nearest step
 * before it that gives one is read; where there is none, a `fetch` step named "source" is
 * put in front.
 *
 * Instances have numbers. With `items` pictures, step k of those that run for each picture is
 * ordinal item * neach + k, and the steps over all pictures follow behind. Nodes stand in
 * topological order, so needs come before what needs them.
 */
#ifndef DEFINITION_H
#define DEFINITION_H

#include "tools.h"

#define DEFINITION_MAX_STEPS     256
#define DEFINITION_MAX_INSTANCES 200000
#define JOIN_ALL                 (-1)

struct node {
	char *id, *queue;
	const struct tool *tool;
	json_t *params;         /* as given, without defaults; may be NULL */
	unsigned timeout_s, max_attempts;
	double backoff_s, max_backoff_s;
	int join;               /* JOIN_ALL, or how many needs must have succeeded */
	bool goes_on;           /* on_failure: continue */
	bool always;            /* runs whatever became of the others: the end-of-job callback */
	bool final;             /* no other step reads its picture */
	int *needs, nneeds;     /* indexes of nodes */
	int *reads, nreads;     /* whose outputs it gets: its needs, and where its picture comes from */
	int *dependents, ndependents;
	int index;              /* among the nodes of its scope */
	char *shared;           /* whom it shares a decode with: see sharing.h; or NULL */
};

struct definition {
	int64_t id;             /* in PostgreSQL; 0: not stored */
	char *name;
	char *text;             /* normal form, compact JSON */
	struct node *nodes;
	int nnodes, neach, nall;
	int *each, *all;        /* node indexes by their `index` */
	bool is_complete;       /* each required parameter is in it */
	_Atomic int refs;
};

/* What a submission adds. */
struct definition_use {
	const char *callback_url;       /* a last step "callback" tells this address when all others have ended; or NULL */
	const json_t *params;           /* {step: {...}}: with these, required parameters must be there; or NULL */
};

/* NULL when there are problems: each is appended as {"at": JSON pointer below `pointer`, "found", "allowed"}.
 * `use` is NULL for a definition by itself. */
struct definition *definition_parse(const json_t *body, const char *pointer, const struct definition_use *use, json_t *problems);
struct definition *definition_ref(struct definition *d);
void definition_unref(struct definition *d);
DEFINE_SCOPED(struct definition *, definition_unref)

int definition_total(const struct definition *d, int items);
int definition_ordinal(const struct definition *d, int items, int node, int item);
/* The node of an ordinal; *ret_item is 0 for one over all pictures. */
int definition_node(const struct definition *d, int items, int ordinal, int *ret_item);
int definition_find(const struct definition *d, const char *id);       /* -1: no such step */
bool definition_needs_images(const struct definition *d);
/* Some step's required parameter is neither in the definition nor in params, {step: {...}} or NULL. */
bool definition_lacks_params(const struct definition *d, const json_t *params);

#endif
