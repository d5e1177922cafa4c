#include "signature.h"

#include <stdio.h>
#include <string.h>

int port_find(const struct port *ports, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(ports[i].name, name) == 0)
			return (int)i;
	return -1;
}

char *port_text(const char *name, const struct dtype *type, const int64_t *shape, size_t rank, char *to, size_t size)
{
	size_t n = (size_t)snprintf(to, size, "'%.60s' %s [", name, type->name);

	for (size_t i = 0; i < rank && n < size; i++)
		n += (size_t)snprintf(to + n, size - n, "%s%lld", i ? "," : "", (long long)shape[i]);
	if (n < size)
		snprintf(to + n, size - n, "]");
	return to;
}

char *ports_text(const struct port *ports, size_t n, char *to, size_t size)
{
	scoped(buf_free) struct buf b = { 0 };
	char one[200];

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", port_text(ports[i].name, ports[i].type, ports[i].shape, ports[i].rank, one, sizeof one));
	snprintf(to, size, "%s", n ? b.text : "none");
	return to;
}

bool signature_batches(const struct signature *s)
{
	const struct port *first = &s->in[0];

	for (size_t i = 0; i < s->nin + s->nout; i++) {
		const struct port *p = i < s->nin ? &s->in[i] : &s->out[i - s->nin];

		if (!p->rank || p->shape[0] != -1 || strcmp(p->axis, first->axis) != 0 || !p->type->size)
			return false;
	}
	return s->nin && s->nout;
}

static json_t *ports_json(const struct port *ports, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *shape = json_array(), *p;

		for (size_t k = 0; k < ports[i].rank; k++)
			json_array_append_new(shape, json_integer(ports[i].shape[k]));
		p = json_pack("{s:s, s:s, s:o}", "name", ports[i].name, "datatype", ports[i].type->name, "shape", shape);
		must(p && json_array_append_new(list, p) == 0);
	}
	return list;
}

json_t *signature_json(const struct signature *s)
{
	json_t *j = json_pack("{s:o, s:o}", "inputs", ports_json(s->in, s->nin), "outputs", ports_json(s->out, s->nout));

	must(j != NULL);
	return j;
}

/* ---- against what was declared ---- */

static bool shape_agrees(const struct port *p, const json_t *declared)
{
	if (json_array_size(declared) != p->rank)
		return false;
	for (size_t i = 0; i < p->rank; i++) {
		json_int_t d = json_integer_value(json_array_get(declared, i));

		if (p->shape[i] != -1 && d != p->shape[i] && !(d == -1 && i == 0 && p->shape[i] == 1))
			return false;
	}
	return true;
}

static void describe(const char *name, const json_t *declared, char *to, size_t size)
{
	const char *type = json_string_value(json_object_get(declared, "datatype"));
	const json_t *shape = json_object_get(declared, "shape");
	scoped(buf_free) struct buf b = { 0 };

	if (shape)
		buf_json(&b, shape);
	snprintf(to, size, "'%.60s'%s%.20s%s%.100s", name, type ? " " : "", type ? type : "", shape ? " " : "", shape ? b.text : "");
}

static int check_port(const struct port *ports, size_t n, const char *what, const char *name, const json_t *declared, struct err *err)
{
	const char *type = json_string_value(json_object_get(declared, "datatype"));
	const json_t *shape = json_object_get(declared, "shape");
	int i = port_find(ports, n, name);
	char want[200], has[400];

	describe(name, declared, want, sizeof want);
	if (i < 0)
		return err_set(err, ERR_REJECT, "model.json declares the %s %s, the file has: %s", what, want, ports_text(ports, n, has, sizeof has));
	if ((type && strcmp(type, ports[i].type->name) != 0) || (shape && !shape_agrees(&ports[i], shape)))
		return err_set(err, ERR_REJECT, "model.json declares the %s %s, in the file it is %s", what, want,
			ports_text(&ports[i], 1, has, sizeof has));
	return 0;
}

static int check_ports(const struct port *ports, size_t n, const char *what, const json_t *declared, struct err *err)
{
	const char *name;
	json_t *one;

	json_object_foreach((json_t *)(uintptr_t)declared, name, one)
		if (check_port(ports, n, what, name, one, err) < 0)
			return -1;
	return 0;
}

int signature_check(const struct signature *s, const json_t *declared, struct err *err)
{
	const json_t *in = json_object_get(declared, "inputs"), *out = json_object_get(declared, "outputs");
	char text[200];

	if (check_ports(s->in, s->nin, "input", in, err) < 0 || check_ports(s->out, s->nout, "output", out, err) < 0)
		return -1;
	for (size_t i = 0; i < s->nin && json_object_size(in); i++)
		if (!json_object_get(in, s->in[i].name))
			return err_set(err, ERR_REJECT, "the file also takes the input %s, model.json declares %zu without it",
				ports_text(&s->in[i], 1, text, sizeof text), json_object_size(in));
	return 0;
}
