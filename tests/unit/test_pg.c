#include "pg.h"
#include "test.h"

#include <arpa/inet.h>
#include <math.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

TEST(array_literals_quote_what_needs_quotes)
{
	scoped(buf_free) struct buf b = { 0 };

	pg_array_begin(&b);
	pg_array_text(&b, "plain");
	pg_array_text(&b, "a \"quoted\" \\ thing");
	pg_array_text(&b, NULL);
	pg_array_text(&b, "");
	pg_array_text(&b, "{a,b}");
	pg_array_end(&b);
	assert_string_equal(b.text, "{\"plain\",\"a \\\"quoted\\\" \\\\ thing\",NULL,\"\",\"{a,b}\"}");
}

TEST(array_literals_hold_numbers)
{
	scoped(buf_free) struct buf b = { 0 };

	pg_array_begin(&b);
	pg_array_int(&b, 0);
	pg_array_int(&b, -12);
	pg_array_int(&b, INT64_MIN);
	pg_array_end(&b);
	assert_string_equal(b.text, "{0,-12,-9223372036854775808}");
	pg_array_begin(&b);
	pg_array_real(&b, 1.5);
	pg_array_real(&b, NAN);
	pg_array_word(&b, "t");
	pg_array_end(&b);
	assert_string_equal(b.text, "{1.5,NULL,t}");
	pg_array_begin(&b);
	pg_array_end(&b);
	assert_string_equal(b.text, "{}");
}

TEST(a_database_that_is_away_is_worth_a_retry)
{
	struct pg pg;
	struct err err;

	pg_init(&pg, "postgresql://nobody@127.0.0.1:1/none", NULL);
	assert_int_equal(pg_query(&pg, NULL, &err, "SELECT 1", PG_NONE), -1);
	assert_int_equal(err.kind, ERR_RETRY);
	pg_done(&pg);
}

/* A server that lets anybody in and then says nothing more, as one behind a dead connection. */
static void *silent_server(void *arg)
{
	static const char welcome[] = { 'R', 0, 0, 0, 8, 0, 0, 0, 0, 'Z', 0, 0, 0, 5, 'I' };
	scoped(close_p) int conn = accept(*(int *)arg, NULL, NULL);
	char bytes[1024];

	assert_true(conn >= 0);
	assert_true(read(conn, bytes, sizeof bytes) > 0);
	assert_int_equal(write(conn, welcome, sizeof welcome), sizeof welcome);
	while (read(conn, bytes, sizeof bytes) > 0)
		;
	return NULL;
}

TEST(a_server_that_says_nothing_more_is_not_waited_for)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof at;
	scoped(close_p) int sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	scoped(free_p) char *url = NULL;
	pthread_t server;
	struct pg pg;
	struct err err;

	assert_int_equal(bind(sock, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(sock, 1), 0);
	assert_int_equal(getsockname(sock, (struct sockaddr *)&at, &size), 0);
	assert_int_equal(pthread_create(&server, NULL, silent_server, &sock), 0);
	url = xasprintf("postgresql://nobody@127.0.0.1:%d/none?sslmode=disable&gssencmode=disable", ntohs(at.sin_port));
	pg_init(&pg, url, NULL);
	pg.patience_s = 1;
	assert_int_equal(pg_query(&pg, NULL, &err, "SELECT 1", PG_NONE), -1);
	assert_int_equal(err.kind, ERR_RETRY);
	assert_string_equal(err.msg, "postgresql: no answer within 3 s");
	assert_null(pg.conn);
	pg_done(&pg);
	pthread_join(server, NULL);
}
