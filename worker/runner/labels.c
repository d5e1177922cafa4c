#include "labels.h"

#include "params.h"

#include <stdio.h>
#include <string.h>

static const char *const coco[] = {
#include "coco.def"
};

int labels_of(const struct model *model, const char *name, size_t n, struct labels *ret, struct err *err)
{
	struct labels l = { .list = json_object_get(model->card, "labels") };
	size_t has = json_array_size(l.list);

	if (has && n && n != has)
		return err_set(err, ERR_REJECT, "model '%.128s' gives %zu classes, its model.json has %zu labels", name, n, has);
	l.is_coco = !has && n == countof(coco) && strcmp(param_str(model->card, "kind", ""), "yolo") == 0;
	*ret = l;
	return 0;
}

const char *labels_name(const struct labels *l, size_t class, char number[24])
{
	const char *label = l->is_coco && class < countof(coco) ? coco[class] : json_string_value(json_array_get(l->list, class));

	snprintf(number, 24, "%zu", class);
	return label ? label : number;
}
