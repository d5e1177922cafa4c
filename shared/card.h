/*
 * card.h - what people say of a model, PIXELFLEET_MODELS_DIR/MODEL/model.json, and which file a step means.
 *
 *	{"kind":"clip|caption|faces|yolo|segment|face_detect|face_embed|inpaint|other",
 *	 "title","license","source",                            free text
 *	 "file":"model.onnx",                                   of a model of one part, whose name is ""
 *	 "parts":{"image":{"file":"onnx/vision_model.onnx","triton":"clip_image","inputs":{...},"outputs":{...},"max_batch":8}},
 *	 "triton":"its name on a model server",                 default: the directory's last name; of a part NAME_PART
 *	 "inputs":{"pixel_values":{"datatype":"FP32","shape":[-1,3,224,224]}}, "outputs":{...},   compared with the file
 *	 "max_batch":16,                                        1: never run together with others
 *	 "size":[width,height],                                 of the picture it takes, where the model leaves that free
 *	 "preprocess":{"resize":"crop|squash|letterbox|top_left","edge":256,"kernel":"cubic|linear","antialias":true,"mean":[3],"std":[3],
 *	               "scale":255,"pad":114,"order":"rgb|bgr"},
 *	 "labels":["person",...] | "labels_file":"labels.txt",  class 0 first; one a line
 *	 "tokenizer":{"type":"clip|wordpiece","vocab","merges","length","lowercase","start","end","pad"},
 *	 "decoder":{"start","end","pad","max_length"}, "dim":512}
 *
 * Every member has a default by the kind (card_check.c), so {"kind":"clip"} does where the files have the usual names. A
 * directory with nothing but a model.onnx is a model of kind "other". Members that are not known are for others.
 */
#ifndef CARD_H
#define CARD_H

#include "card_check.h"
#include "err.h"

struct card {
	json_t *text;           /* what the file says, with the "labels" of its labels_file; {} without a file */
	char *dir;              /* MODELS_DIR/MODEL; "" when the model has no directory */
	char *name;             /* "clip/image", or "yolov8n" of one part */
	char *path;             /* of the .onnx file; "" when nobody asked for one */
	char *triton;           /* what a model server calls it */
	json_t *declared;       /* {"inputs"?,"outputs"?} as the card says; NULL: it says nothing */
	unsigned max_batch;     /* 0: it does not say */
};

/* "yolov8n", "OFA-Sys/chinese-clip-vit-large-patch14": one name or two, of letters, digits, '_', '-' and '.', first a letter,
 * a digit or '_'. */
bool card_is_name(const char *model);

/* The file of the part ("" for the only one) has to be there. ERR_REJECT: it is not, or the card is wrong; the message has the
 * file, and the member with what was found and what is allowed. */
int card_find(const char *models_dir, const char *model, const char *part, struct card *ret, struct err *err) must_use;
/* The same for a model on a server: neither a card nor a file need be there, but a card that is has to be right. */
int card_find_served(const char *models_dir, const char *model, const char *part, struct card *ret, struct err *err) must_use;
/* The card alone, without a part: of *ret only `text` and `dir` are filled in. *ret_names is a new list of the parts that the
 * model should have ("" of one that is whole); whether their files are there tells card_find(). */
int card_parts(const char *models_dir, const char *model, struct card *ret, json_t **ret_names, struct err *err) must_use;
void card_done(struct card *c);

#endif
