#include "http_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#define VERSION_LEN (sizeof("HTTP/1.1") - 1)
#define HEADERS_MAX 100
/* Later ones refuse such lines themselves, and may keep them elsewhere. */
#define IS_LENIENT  (MHD_VERSION < 0x00097701)

struct reading {
	struct head *head;
	unsigned headers, lengths, encodings, hosts;
	const char *next;       /* where the next line should be; NULL: nobody knows */
};

static void refuse(struct head *h, unsigned status, const char *problem)
{
	if (h->problem)
		return;
	h->status = status;
	h->problem = problem;
}

static void bad(struct head *h, const char *problem)
{
	refuse(h, MHD_HTTP_BAD_REQUEST, problem);
}

/* RFC 9110, 5.6.2. */
static bool is_token(const char *s, size_t n)
{
	static const char chars[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	return n && strspn(s, chars) == n;
}

static bool is_value(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)s[i] < ' ' && s[i] != '\t') || s[i] == 127)
			return false;
	return true;
}

static void take_length(struct reading *r, const char *value)
{
	if (r->lengths++)
		bad(r->head, "more than one Content-Length");
	if (!*value || strspn(value, "0123456789") != strlen(value) || strlen(value) > 18)
		bad(r->head, "Content-Length is not a number");
	r->head->length = strtoull(value, NULL, 10);
}

static void take_encoding(struct reading *r, const char *value)
{
	if (r->encodings++ || strcasecmp(value, "chunked") != 0)
		bad(r->head, "Transfer-Encoding: only chunked is allowed, once");
	r->head->chunked = true;
}

static void take_expect(struct reading *r, const char *value)
{
	r->head->expects = true;
	if (strcasecmp(value, "100-continue") != 0)
		refuse(r->head, MHD_HTTP_EXPECTATION_FAILED, "Expect: only 100-continue is allowed");
}

/* Each line lies in the buffer as it came, its colon and its CR LF made NULs: name, NUL, blanks, value, NUL, NUL. What
 * is not there is a folded line, a line that ended in LF only, or one with a NUL in it (but NUL LF looks like CR LF). */
static void check_place(struct reading *r, const char *name, size_t name_len, const char *value, size_t value_len)
{
	const char *at = name + name_len + 1;

	if (!r->next)
		return;
	if (name != r->next || value < at || strspn(at, " \t") != (size_t)(value - at) || value[value_len] || value[value_len + 1])
		bad(r->head, "a header line that is folded, has a NUL in it, or does not end in CR LF");
	r->next = r->head->problem ? NULL : value + value_len + 2;
}

static enum MHD_Result take_header(void *arg, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
	size_t value_len)
{
	struct reading *r = arg;

	(void)kind;
	if (!value)
		value = "", value_len = 0, r->next = NULL;
	if (++r->headers > HEADERS_MAX)
		refuse(r->head, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, "more than 100 header lines");
	check_place(r, name, name_len, value, value_len);
	if (!is_token(name, name_len))
		bad(r->head, "the name of a header has a character that names have not");
	if (!is_value(value, value_len))
		bad(r->head, "a header has a control character in it");
	if (strcasecmp(name, "Content-Length") == 0)
		take_length(r, value);
	else if (strcasecmp(name, "Transfer-Encoding") == 0)
		take_encoding(r, value);
	else if (strcasecmp(name, "Expect") == 0)
		take_expect(r, value);
	else if (strcasecmp(name, "Host") == 0 && r->hosts++)
		bad(r->head, "more than one Host");
	return MHD_YES;
}

static void check_line(struct head *h, const struct head_line *l)
{
	if (!is_token(l->method, strlen(l->method)))
		bad(h, "the method is not a word");
	if (!l->uri.is_text)
		bad(h, "the path or the query has a control character in it");
	if (IS_LENIENT && (l->method + strlen(l->method) + 1 != l->uri.text || l->uri.text + l->uri.len + 1 != l->version))
		bad(h, "the request line has a NUL in it, or not one space between its words");
}

struct head_uri head_uri(const char *text)
{
	size_t n = strlen(text);

	return (struct head_uri){ .text = text, .len = n, .is_text = n && is_value(text, n) };
}

void head_read(struct head *ret, struct MHD_Connection *conn, const struct head_line *line)
{
	struct reading r = { .head = ret };
	size_t size;

	*ret = (struct head){ 0 };
	check_line(ret, line);
	if (IS_LENIENT && !ret->problem)
		r.next = line->version + VERSION_LEN + 2;
	MHD_get_connection_values_n(conn, MHD_HEADER_KIND, take_header, &r);
	/* Nothing but the empty line comes after; a line that is only a colon was taken for it. */
	size = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;
	if (r.next && (r.next + 2 != line->method + size || r.next[0] || r.next[1]))
		bad(ret, "a header line without a name, or with a NUL in it");
	if (r.lengths && r.encodings)
		bad(ret, "Content-Length and Transfer-Encoding in one request");
	if (r.encodings && strcmp(line->version, "HTTP/1.0") == 0)
		bad(ret, "Transfer-Encoding in a request of HTTP/1.0");
	ret->has_body = ret->length || r.encodings;
}

const char *head_path(const char *uri, const char **ret_host, size_t *ret_host_len)
{
	static const char scheme[] = "http://";
	const char *host = uri + sizeof scheme - 1;

	*ret_host_len = 0;
	if (strncasecmp(uri, scheme, sizeof scheme - 1) != 0)
		return uri;
	*ret_host = host;
	*ret_host_len = strcspn(host, "/?");
	return host[*ret_host_len] == '/' ? host + *ret_host_len : "/";
}
