#include "test.h"

#include "routes.h"

#include <string.h>

static struct route_match find(const char *method, const char *path)
{
	struct route_match m;

	route_find(method, path, &m);
	return m;
}

TEST(a_route_is_found_by_method_and_path)
{
	scoped(route_match_done) struct route_match m = find("GET", "/api/v1/jobs");

	assert_int_equal(m.status, 200);
	assert_ptr_equal(m.route->handler, api_job_list);
	assert_int_equal(m.route->auth, ROUTE_API);
}

TEST(the_same_path_with_another_method_is_another_route)
{
	scoped(route_match_done) struct route_match m = find("POST", "/api/v1/jobs");

	assert_ptr_equal(m.route->handler, api_job_submit);
}

TEST(head_finds_what_get_finds)
{
	scoped(route_match_done) struct route_match m = find("HEAD", "/health");

	assert_ptr_equal(m.route->handler, api_health);
}

TEST(a_parameter_is_one_decoded_segment)
{
	scoped(route_match_done) struct route_match m = find("GET", "/api/v1/jobs/my%20job%2F1+2");

	assert_int_equal(m.status, 200);
	assert_string_equal(m.params[0], "my job/1+2");
}

TEST(two_parameters_are_taken_in_order)
{
	scoped(route_match_done) struct route_match m = find("GET", "/internal/v1/inputs/abc/12");

	assert_string_equal(m.params[0], "abc");
	assert_string_equal(m.params[1], "12");
	assert_int_equal(m.route->auth, ROUTE_INTERNAL);
}

TEST(an_unknown_path_is_404)
{
	assert_int_equal(find("GET", "/api/v1/nothing").status, 404);
	assert_int_equal(find("GET", "/").status, 404);
	assert_int_equal(find("GET", "").status, 404);
	assert_int_equal(find("GET", "/api/v1/jobs/").status, 404);
	assert_int_equal(find("GET", "/api/v1/jobs/a/b").status, 404);
	assert_int_equal(find("GET", "/healthy").status, 404);
	assert_int_equal(find("GET", "/api/v1/jobs//cancel").status, 404);
}

TEST(a_wrong_method_is_405_and_lists_the_right_ones)
{
	struct route_match m = find("DELETE", "/api/v1/jobs");

	assert_int_equal(m.status, 405);
	assert_null(m.route);
	assert_string_equal(m.allow, "POST, GET, HEAD");
	assert_string_equal(find("GET", "/api/v1/jobs/x/cancel").allow, "POST");
}

TEST(a_parameter_that_is_not_text_is_400)
{
	static const char *const paths[] = { "/api/v1/jobs/%", "/api/v1/jobs/%4", "/api/v1/jobs/%zz", "/api/v1/jobs/a%00b",
		"/api/v1/jobs/%ff", "/api/v1/jobs/%c3%28", "/internal/v1/inputs/ok/%80" };

	for (size_t i = 0; i < countof(paths); i++) {
		struct route_match m = find("GET", paths[i]);

		assert_int_equal(m.status, 400);
		assert_null(m.params[0]);
		assert_null(m.params[1]);
	}
}

TEST(a_parameter_that_is_too_long_is_400)
{
	char path[ROUTE_PARAM_MAX + 40];

	memset(path, 'a', sizeof path);
	memcpy(path, "/api/v1/jobs/", 13);
	path[13 + ROUTE_PARAM_MAX] = '\0';
	{
		scoped(route_match_done) struct route_match m = find("GET", path);

		assert_int_equal(m.status, 200);
	}
	path[13 + ROUTE_PARAM_MAX] = 'a';
	path[14 + ROUTE_PARAM_MAX] = '\0';
	assert_int_equal(find("GET", path).status, 400);
}

TEST(every_route_is_reachable_and_explained)
{
	size_t n;
	const struct route *all = routes_all(&n);

	for (size_t i = 0; i < n; i++) {
		char path[128];
		size_t len = 0;

		for (const char *p = all[i].pattern; *p; p++) {
			path[len++] = *p == '{' ? 'x' : *p;
			p = *p == '{' ? strchr(p, '}') : p;
		}
		path[len] = '\0';
		{
			scoped(route_match_done) struct route_match m = find(all[i].method, path);

			assert_ptr_equal(m.route, &all[i]);
		}
		assert_true(strlen(all[i].help) > 5);
		assert_true(route_body_max(all[i].body) > 0);
		assert_non_null(route_auth_name(all[i].auth));
	}
}

TEST(only_health_ready_and_the_list_of_routes_are_open)
{
	size_t n, open = 0;
	const struct route *all = routes_all(&n);

	for (size_t i = 0; i < n; i++)
		open += all[i].auth == ROUTE_NONE;
	assert_int_equal(open, 3);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(all[i].auth == ROUTE_INTERNAL, strstr(all[i].pattern, "/internal/") != NULL);
}
