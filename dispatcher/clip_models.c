#include "clip_models.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *trimmed(const char *s, size_t n)
{
	while (n && isspace((unsigned char)*s))
		s++, n--;
	while (n && isspace((unsigned char)s[n - 1]))
		n--;
	return xstrndup(s, n);
}

static void add(struct clip_models *m, char *take_label, char *take_name)
{
	struct clip_model *list = xcalloc(m->n + 1, sizeof *list);

	if (m->n)
		memcpy(list, m->list, m->n * sizeof *list);
	free(m->list);
	m->list = list;
	m->list[m->n++] = (struct clip_model){ take_label, take_name };
}

static int read_one(const char *s, size_t n, struct clip_models *m, struct err *err)
{
	const char *equals = memchr(s, '=', n);
	scoped(free_p) char *label = equals ? trimmed(s, (size_t)(equals - s)) : NULL;
	scoped(free_p) char *name = equals ? trimmed(equals + 1, n - (size_t)(equals + 1 - s)) : NULL;

	if (!equals || !*label || !*name)
		return err_set(err, ERR_REJECT, "CLIP_MODELS: '%.*s' is not label=model", (int)min_of(n, (size_t)100), s);
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->list[i].label, label) == 0)
			return err_set(err, ERR_REJECT, "CLIP_MODELS: the label '%.100s' is there twice", label);
	add(m, steal(&label), steal(&name));
	return 0;
}

int clip_models_read(const struct conf *conf, struct clip_models *ret, struct err *err)
{
	scoped(clip_models_free) struct clip_models m = { 0 };

	for (const char *p = conf->clip_models; *p;) {
		size_t n = strcspn(p, ",");

		if (strspn(p, " \t") < n && read_one(p, n, &m, err) < 0)
			return -1;
		p += n;
		p += *p == ',';
	}
	if (!m.n)
		add(&m, xstrdup(conf->default_model), xstrdup(conf->clip_model_name));
	*ret = m;
	m = (struct clip_models){ 0 };
	return 0;
}

void clip_models_free(struct clip_models *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->list[i].label);
		free(m->list[i].name);
	}
	free(m->list);
	*m = (struct clip_models){ 0 };
}

static bool is_name_part(const char *s, size_t n)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
	size_t k = 0;

	while (k < n && (strchr(first, s[k]) || (k && strchr(".-", s[k]))))
		k++;
	return n > 0 && k == n;
}

static bool is_directory(const struct conf *c, const char *name)
{
	const char *slash = strchr(name, '/');
	scoped(free_p) char *card = xasprintf("%s/%s/model.json", c->models_dir, name);

	if (!is_name_part(name, slash ? (size_t)(slash - name) : strlen(name)) || (slash && !is_name_part(slash + 1, strlen(slash + 1))))
		return false;
	return access(card, F_OK) == 0;
}

static const struct clip_model *find(const struct clip_models *m, const char *label)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->list[i].label, label) == 0)
			return &m->list[i];
	return NULL;
}

const char *clip_models_find(const struct conf *conf, const struct clip_models *m, const char *label)
{
	const struct clip_model *its = find(m, label ? label : conf->default_model), *usual = find(m, conf->default_model);

	if (its)
		return its->name;
	if (label && strcmp(label, conf->default_model) != 0 && is_directory(conf, label))
		return label;
	return usual ? usual->name : conf->clip_model_name;
}
