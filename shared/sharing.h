/*
 * sharing.h - steps that read the same picture, so that it is decoded once for all of them.
 *
 * What follows from the definition (and a submission's parameters) alone goes into the envelope of each such step as "shared":
 * how many steps they are, and the boxes that they fit the picture into. From these and the picture's header the runner finds
 * the decoder's scale, for all of them the same one. So a step's result depends on what the pipeline says, and never on which
 * step came first, on which worker, or whether the pixels were still there.
 *
 * The rule: of the steps of one queue that read the pictures of the same step, those which make it small (resize, thumbnail,
 * smartcrop, phash, stats with a size) share one decode, at the scale that the largest box needs; those which want every pixel
 * (crop, rotate, convert, enhance, draw, stats) share another. The two are not mixed. Of a photograph of 12 megapixels, decoding
 * all of it costs 70 ms and half of it 45, an eighth 34; a small version is 3 ms from an eighth and 14 from the whole: where the
 * pixels were kept that would be 10 % less for both together, where they were not (another worker has the other step) the
 * small version would cost twice as much, and it takes four times the memory. Whoever only reads the header shares nothing.
 */
#ifndef SHARING_H
#define SHARING_H

#include "definition.h"

/* Fills in each node's `shared`, the member's value where a submission says nothing else:
 * {"steps":3,"fit":[{"width":640,"height":640},{"width":100,"height":900,"cover":true}]}, without "fit" for those which want
 * every pixel; NULL for a step that shares with nobody. Boxes that another one's decode suffices for are left out; "cover": the box
 * is filled, and the longer side sticks out; "fast": with fast_shrink. */
void sharing_link(struct definition *d);

/* The same, new, with a submission's parameters ({step: {...}}, or NULL). */
char *sharing_text(const struct definition *d, int node, const json_t *params);

#endif
