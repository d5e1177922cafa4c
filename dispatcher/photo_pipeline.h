/*
 * photo_pipeline.h - the pipelines of photo and text messages, as the settings want them.
 */
#ifndef PHOTO_PIPELINE_H
#define PHOTO_PIPELINE_H

#include "clip_models.h"
#include "definition.h"

/* The tasks of a message, as bits. */
enum { TASK_THUMBNAIL = 1, TASK_CLIP = 2, TASK_FACE = 4, TASK_OCR = 8, TASK_SETS = 16 };

/* A branch for each task behind one fetch; each ends in a step that delivers, named "deliver-...", and goes on whatever
 * becomes of the others. NULL with problems. */
struct definition *photo_pipeline(const struct conf *conf, const struct clip_models *models, unsigned tasks, json_t *problems);
/* Steps "text" and "deliver-text". */
struct definition *text_pipeline(const struct conf *conf, json_t *problems);

#endif
