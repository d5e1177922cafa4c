/* api_catalogue.c - what there is: routes, tools, queues, workers. */
#include "fleet.h"
#include "outage.h"
#include "request.h"
#include "tools.h"

#include <string.h>

void api_routes(struct request *req)
{
	json_t *list = json_array();
	size_t n;
	const struct route *routes = routes_all(&n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "method", routes[i].method, "path", routes[i].pattern,
			"auth", route_auth_name(routes[i].auth), "help", routes[i].help));
	answer_json(req, 200, json_pack("{s:s, s:o}", "version", VERSION, "routes", list));
}

/* The table in PostgreSQL only says which tools are switched off. */
void api_tools(struct request *req)
{
	json_t *list = json_array();
	size_t n;
	const struct tool *tools = tools_all(&n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, tool_describe(&tools[i]));
	answer_json(req, 200, json_pack("{s:o}", "tools", list));
}

void api_queues(struct request *req)
{
	scoped(json_decref_p) json_t *list = NULL, *lists = NULL;
	json_t *breakers;
	struct err err;

	if (fleet_queues(request_redis(req), request_pg(req), &list, &err) < 0 ||
	    fleet_lists(request_redis(req), req->d->origins, &lists, &err) < 0 ||
	    outage_describe(req->d, request_pg(req), list, &breakers, &err) < 0)
		answer_err(req, 503, &err);
	else
		answer_json(req, 200, json_pack("{s:O, s:o, s:O}", "queues", list, "breakers", breakers, "lists", lists));
}

void api_workers(struct request *req)
{
	scoped(json_decref_p) json_t *workers = NULL, *dispatchers = NULL;
	struct err err;

	if (fleet_workers(request_redis(req), &workers, &err) < 0 || fleet_dispatchers(request_redis(req), &dispatchers, &err) < 0)
		answer_err(req, 503, &err);
	else
		answer_json(req, 200, json_pack("{s:O, s:O}", "workers", workers, "dispatchers", dispatchers));
}
