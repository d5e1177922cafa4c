/*
 * regions.h - what a step says is to be filled: a mask picture, regions of its parameters, items of its needs.
 *
 *	mask        a picture among the inputs that is named "mask" (segment gives one): where it is not black. A mask of grey
 *	            tones counts from the middle on, one whose values are all below as numbers of classes. Stretched to the picture
 *	regions     parameter: {"box":[left,top,width,height]} or {"points":[x,y,x,y,x,y,...]}
 *	items       of the needs' data: their points, else their box, scaled when the data says that it saw another size
 *
 * Items that are text (ocr's have lines) become their letters only, see strokes.h, unless parameter `mask_from` says otherwise.
 */
#ifndef REGIONS_H
#define REGIONS_H

#include "canvas.h"
#include "hole.h"
#include "tool.h"

struct regions {
	size_t masks, areas, texts;     /* how many of each there were */
};

/* Adds them to h, which is as large as the picture. `colours` has 8 bits a band. */
int regions_read(const struct runner_job *job, const struct canvas *colours, struct hole *h, struct regions *ret,
	struct err *err) must_use;

/* The input is a mask or a picture for people, not the picture that is worked on. */
bool regions_is_aside(const struct job_input *in);

#endif
