/*
 * fast_marching.h - a hole filled from its border inwards.
 *
 * The order is that of the distance to the border, the solution of |grad T| = 1 that grows from there (Sethian 1996), as
 * Telea (2004) uses it. A pixel becomes the weighted mean of the known ones around. Telea's weights are of direction (along
 * the growing front's normal), distance, and difference of level T; here, after Bornemann and Maerz (2007), they are
 * gathered along the edges too, as far as the known pixels around agree on an edge's direction (their structure tensor).
 */
#ifndef FAST_MARCHING_H
#define FAST_MARCHING_H

#include "patch.h"

void fast_marching_fill(struct patch *p);

#endif
