/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/routes.h"
#include "tests/unit.h"

static void paths(void **state)
{
	static const struct {
		enum ch_listener listener;
		const char *method, *path;
		enum ch_err err;
		unsigned route;
	} t[] = {
		{ CH_LISTENER_DEVICES, "POST", "/v1/enrol", CH_OK, CH_ROUTE_ENROL },
		{ CH_LISTENER_DEVICES, "POST", "/v1/enrol/", CH_ERR_NOTFOUND, CH_ROUTE_COUNT },
		{ CH_LISTENER_DEVICES, "POST", "/v1", CH_ERR_NOTFOUND, CH_ROUTE_COUNT },
		{ CH_LISTENER_DEVICES, "POST", "/", CH_ERR_NOTFOUND, CH_ROUTE_COUNT },
		{ CH_LISTENER_DEVICES, "post", "/v1/enrol", CH_ERR_MISMATCH, CH_ROUTE_COUNT },
		{ CH_LISTENER_DEVICES, "HEAD", "/v1/enrol", CH_ERR_MISMATCH, CH_ROUTE_COUNT },
		{ CH_LISTENER_DEVICES, "HEAD", "/v1/status", CH_OK, CH_ROUTE_DEVICE_STATUS },
		{ CH_LISTENER_DEVICES, "GET", "/api/v1/status", CH_ERR_NOTFOUND, CH_ROUTE_COUNT },
		{ CH_LISTENER_DEVICES, "GET", "/DEFAULT/controller/v1/gw-7", CH_OK, CH_ROUTE_DDI_POLL },
		{ CH_LISTENER_DEVICES, "GET", "/DEFAULT/controller/v1/", CH_ERR_NOTFOUND, CH_ROUTE_COUNT },
		{ CH_LISTENER_DEVICES, "POST", "/T/controller/v1/g/deploymentBase/1/feedback", CH_OK,
		  CH_ROUTE_DDI_FEEDBACK },
		{ CH_LISTENER_DEVICES, "GET", "/T/controller/v1/g/softwaremodules/1/artifacts/a+b", CH_OK,
		  CH_ROUTE_DDI_ARTIFACT },
		{ CH_LISTENER_OPERATORS, "GET", "/T/controller/v1/g", CH_ERR_NOTFOUND, CH_ROUTE_COUNT },
		{ CH_LISTENER_OPERATORS, "GET", "/api/v1/devices/a/explain", CH_OK, CH_ROUTE_DEVICE_EXPLAIN },
		{ CH_LISTENER_OPERATORS, "GET", "/api/v1/devices//explain", CH_ERR_NOTFOUND, CH_ROUTE_COUNT },
		{ CH_LISTENER_OPERATORS, "GET", "/api/v1/devices/%41/explain", CH_ERR_NOTFOUND, CH_ROUTE_COUNT },
		{ CH_LISTENER_OPERATORS, "GET", "/api/v1/actions", CH_OK, CH_ROUTE_ACTIONS },
		{ CH_LISTENER_OPERATORS, "POST", "/api/v1/actions", CH_OK, CH_ROUTE_ACT },
		{ CH_LISTENER_OPERATORS, "PUT", "/api/v1/actions", CH_ERR_MISMATCH, CH_ROUTE_COUNT },
		{ CH_LISTENER_PUBLIC, "GET", "/log/tile/0/001", CH_OK, CH_ROUTE_TILE },
		{ CH_LISTENER_PUBLIC, "GET", "/log/tile/", CH_ERR_NOTFOUND, CH_ROUTE_COUNT },
		{ CH_LISTENER_PUBLIC, "GET", "/log/tile/0/", CH_ERR_NOTFOUND, CH_ROUTE_COUNT },
		{ CH_LISTENER_PUBLIC, "GET", "/v1/enrol", CH_ERR_NOTFOUND, CH_ROUTE_COUNT },
	};
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(t); i++) {
		enum ch_route_number route;
		assert_int_equal(ch_route_find(t[i].listener, ch_span_str(t[i].method), ch_span_str(t[i].path), &route),
				 t[i].err);
		assert_int_equal(route, t[i].route);
	}
}

static void parameters(void **state)
{
	const struct ch_span path = CH_SPAN_LIT("/api/v1/devices/0a/evidence/12/quote");
	(void)state;
	assert_true(ch_span_eq(ch_route_param(CH_ROUTE_EVIDENCE_PART, path, 0), CH_SPAN_LIT("0a")));
	assert_true(ch_span_eq(ch_route_param(CH_ROUTE_EVIDENCE_PART, path, 1), CH_SPAN_LIT("12")));
	assert_true(ch_span_eq(ch_route_param(CH_ROUTE_EVIDENCE_PART, path, 2), CH_SPAN_LIT("quote")));
	assert_int_equal(ch_route_param(CH_ROUTE_EVIDENCE_PART, path, 3).n, 0);
	assert_int_equal(ch_route_param(CH_ROUTE_STATUS, path, 0).n, 0);
	assert_int_equal(ch_route_param(CH_ROUTE_COUNT, path, 0).n, 0);
	assert_true(ch_span_eq(ch_route_param(CH_ROUTE_OCSP_GET, CH_SPAN_LIT("/ocsp//a%2Fb+c=/d"), 0),
			       CH_SPAN_LIT("/a%2Fb+c=/d")));
	assert_true(ch_route_opaque(CH_ROUTE_OCSP_GET) && ch_route_opaque(CH_ROUTE_DDI_ARTIFACT));
	assert_false(ch_route_opaque(CH_ROUTE_TILE) || ch_route_opaque(CH_ROUTE_COUNT));
	assert_true(ch_span_eq(ch_route_param(CH_ROUTE_TILE, CH_SPAN_LIT("/log/tile/entries/x001/002.p/3"), 0),
			       CH_SPAN_LIT("entries/x001/002.p/3")));
}

/* Tenant and controllerId come first in each of them, and no other route is taken for one. */
static void paths_of_ddi_say_who_it_is(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CH_ROUTE_COUNT; i++)
		assert_int_equal(ch_route_ddi(i),
				 ch_span_starts(ch_span_str(ch_routes[i].pattern), CH_SPAN_LIT(CH_DDI_BASE)));
	assert_false(ch_route_ddi(CH_ROUTE_COUNT));
}

static void an_operation_of_est_is_one_however_its_path_is_written(void **state)
{
	static const char *const path[] = { "/.well-known/est/simpleenroll", "/.well-known/est/lab/simpleenroll",
					    "/lab/.well-known/est/simpleenroll" };
	(void)state;
	for (size_t i = 0; i < CH_COUNT_OF(path); i++) {
		enum ch_route_number route;
		assert_int_equal(ch_route_find(CH_LISTENER_DEVICES, CH_SPAN_LIT("POST"), ch_span_str(path[i]), &route),
				 CH_OK);
		assert_int_equal(ch_route_est(route), CH_ROUTE_EST_ENROL);
		assert_true(ch_span_eq(ch_route_param(route, ch_span_str(path[i]), 0),
				       i == 0 ? CH_SPAN_EMPTY : CH_SPAN_LIT("lab")));
		assert_int_equal(ch_route_find(CH_LISTENER_DEVICES, CH_SPAN_LIT("GET"), ch_span_str(path[i]), &route),
				 CH_ERR_MISMATCH);
	}
	assert_int_equal(ch_route_est(CH_ROUTE_ENROL), CH_ROUTE_COUNT);
	assert_int_equal(ch_route_est(CH_ROUTE_STATUS), CH_ROUTE_COUNT);
}

/*
 * What anybody may ask of devices' listener is enrolment, or how to enrol, and the fleet root; a body goes to verify and nowhere else, but for OCSP's
 * (decision 0017) and pieces of artefacts, which are only written and hashed (decision 0023).
 */
static void the_table_keeps_its_rules(void **state)
{
	(void)state;
	for (size_t i = 0; i < CH_ROUTE_COUNT; i++) {
		const struct ch_route *r = &ch_routes[i];
		if ((r->caller & CH_CALLER_ANY) != 0 && r->listener != CH_LISTENER_PUBLIC)
			assert_true(ch_span_starts(ch_span_str(r->pattern), CH_SPAN_LIT("/v1/enrol")) ||
				    i == CH_ROUTE_FLEET_ROOT ||
				    (ch_route_est((unsigned)i) != CH_ROUTE_COUNT && r->body_max == 0));
		if ((r->caller & CH_CALLER_EST) != 0)
			assert_string_equal(ch_route_body_type((enum ch_route_number)i), "application/pkcs10");
		if (r->listener == CH_LISTENER_OPERATORS)
			assert_int_equal(r->caller & ~CH_CALLER_OPERATORS, 0);
		assert_true(r->body_max == 0 || r->process == CH_ROLE_VERIFY || i == CH_ROUTE_OCSP ||
			    i == CH_ROUTE_ARTIFACT_PUT);
		assert_true(r->process != CH_ROLE_EDGE || r->body_max <= 2048);
		assert_true(r->body_max <= CH_IPC_BODY_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(parameters),
		cmocka_unit_test(paths_of_ddi_say_who_it_is),
		cmocka_unit_test(an_operation_of_est_is_one_however_its_path_is_written),
		cmocka_unit_test(the_table_keeps_its_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
