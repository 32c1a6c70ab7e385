/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_IPC_ROUTES_H
#define CH_IPC_ROUTES_H

#include "core/base/err.h"
#include "core/base/limits.h"
#include "server/ipc/messages.h"

/*
 * Every request that the server answers, on one page: what the edge admits, and the number by which the process that answers it
 * knows it. A row is (name, listener, method, pattern, caller, largest body, process that answers).
 *   pattern   segments of the path; `*` is any one segment of unreserved characters (RFC 3986, 2.3), `**` at the end is one or more,
 *             `***` the same of any characters, for whoever decodes them himself
 *   caller    who may: a bit mask of CH_CALLER_*
 *   process   EDGE answers by itself
 */
#define CH_ROUTE_JSON_MAX  ((size_t)256 << 10)
#define CH_ROUTE_PIECE_MAX ((size_t)8 << 20)  /* of an artefact */
#define CH_ROUTE_EST_MAX   ((size_t)64 << 10) /* a request in base64 */
/* EST (RFC 7030, 3.2.2): without a label, with one, and as clients write it that append the path to one that they were given. */
#define CH_ROUTES_EST(X, name, method, op, caller, body)                                 \
	X(name, DEVICES, method, "/.well-known/est/" op, caller, body, VERIFY)           \
	X(name##_LABEL, DEVICES, method, "/.well-known/est/*/" op, caller, body, VERIFY) \
	X(name##_UNDER, DEVICES, method, "/*/.well-known/est/" op, caller, body, VERIFY)
/* hawkBit's DDI: tenant and controllerId, then what it is about; the order of these rows is kept together (ch_route_ddi). */
#define CH_DDI_BASE "/*/controller/v1/*"
#define CH_ROUTES_DDI(X)                                                                                              \
	X(DDI_POLL, DEVICES, "GET", CH_DDI_BASE, CH_CALLER_ATTEST, 0, READER)                                         \
	X(DDI_DEPLOYMENT, DEVICES, "GET", CH_DDI_BASE "/deploymentBase/*", CH_CALLER_UPDATE, 0, READER)               \
	X(DDI_INSTALLED, DEVICES, "GET", CH_DDI_BASE "/installedBase/*", CH_CALLER_ATTEST, 0, READER)                 \
	X(DDI_CANCEL, DEVICES, "GET", CH_DDI_BASE "/cancelAction/*", CH_CALLER_ATTEST, 0, READER)                     \
	X(DDI_ARTIFACT, DEVICES, "GET", CH_DDI_BASE "/softwaremodules/*/artifacts/***", CH_CALLER_UPDATE, 0, READER)  \
	X(DDI_FEEDBACK, DEVICES, "POST", CH_DDI_BASE "/deploymentBase/*/feedback", CH_CALLER_ATTEST, CH_DDI_BODY_MAX, \
	  VERIFY)                                                                                                     \
	X(DDI_CANCEL_FEEDBACK, DEVICES, "POST", CH_DDI_BASE "/cancelAction/*/feedback", CH_CALLER_ATTEST,             \
	  CH_DDI_BODY_MAX, VERIFY)                                                                                    \
	X(DDI_CONFIG, DEVICES, "PUT", CH_DDI_BASE "/configData", CH_CALLER_ATTEST, CH_DDI_BODY_MAX, VERIFY)
#define CH_ROUTES(X)                                                                                              \
	/* devices */                                                                                             \
	X(ENROL, DEVICES, "POST", "/v1/enrol", CH_CALLER_ANY, CH_ROUTE_JSON_MAX, VERIFY)                          \
	X(ENROL_FINISH, DEVICES, "POST", "/v1/enrol/finish", CH_CALLER_ANY, 4096, VERIFY)                         \
	X(ENROL_TOKEN, DEVICES, "POST", "/v1/enrol/token", CH_CALLER_ANY, 4096, VERIFY)                           \
	X(CHALLENGE, DEVICES, "POST", "/v1/challenge", CH_CALLER_ATTEST, 0, KEEPER)                               \
	X(EVIDENCE, DEVICES, "POST", "/v1/evidence", CH_CALLER_ATTEST, CH_IPC_BODY_MAX, VERIFY)                   \
	X(POLL, DEVICES, "GET", "/v1/poll", CH_CALLER_ATTEST, 0, EDGE)                                            \
	X(RENEW, DEVICES, "POST", "/v1/renew", CH_CALLER_RENEW, CH_ROUTE_JSON_MAX, VERIFY)                        \
	X(DEVICE_STATUS, DEVICES, "GET", "/v1/status", CH_CALLER_ATTEST, 0, READER)                               \
	X(FLEET_ROOT, DEVICES, "GET", "/v1/fleet-root/*", CH_CALLER_ANY, 0, READER)                               \
	X(UPDATE, DEVICES, "GET", "/v1/update", CH_CALLER_UPDATE, 0, READER)                                      \
	X(RELEASE, DEVICES, "GET", "/v1/releases/*", CH_CALLER_UPDATE, 0, READER)                                 \
	X(RELEASE_PROOF, DEVICES, "GET", "/v1/releases/*/proof", CH_CALLER_UPDATE, 0, READER)                     \
	X(FEEDBACK, DEVICES, "POST", "/v1/update/*/feedback", CH_CALLER_ATTEST, 8192, VERIFY)                     \
	X(ARTIFACT, DEVICES, "GET", "/artifacts/*", CH_CALLER_UPDATE, 0, READER)                                  \
	CH_ROUTES_DDI(X)                                                                                          \
	X(OSTREE, DEVICES, "GET", "/ostree/*/**", CH_CALLER_UPDATE, 0, READER)                                    \
	CH_ROUTES_EST(X, EST_CACERTS, "GET", "cacerts", CH_CALLER_ANY, 0)                                         \
	CH_ROUTES_EST(X, EST_CSRATTRS, "GET", "csrattrs", CH_CALLER_ANY, 0)                                       \
	CH_ROUTES_EST(X, EST_ENROL, "POST", "simpleenroll", CH_CALLER_EST, CH_ROUTE_EST_MAX)                      \
	CH_ROUTES_EST(X, EST_REENROL, "POST", "simplereenroll", CH_CALLER_EST, CH_ROUTE_EST_MAX)                  \
	/* operators */                                                                                           \
	X(STATUS, OPERATORS, "GET", "/api/v1/status", CH_CALLER_OPERATORS, 0, READER)                             \
	X(DEVICES, OPERATORS, "GET", "/api/v1/devices", CH_CALLER_OPERATORS, 0, READER)                           \
	X(DEVICE, OPERATORS, "GET", "/api/v1/devices/*", CH_CALLER_OPERATORS, 0, READER)                          \
	X(DEVICE_EXPLAIN, OPERATORS, "GET", "/api/v1/devices/*/explain", CH_CALLER_OPERATORS, 0, READER)          \
	X(DEVICE_PINNED, OPERATORS, "GET", "/api/v1/devices/*/pinned", CH_CALLER_OPERATORS, 0, READER)            \
	X(DEVICE_EVIDENCE, OPERATORS, "GET", "/api/v1/devices/*/evidence", CH_CALLER_OPERATORS, 0, READER)        \
	X(EVIDENCE_PART, OPERATORS, "GET", "/api/v1/devices/*/evidence/*/*", CH_CALLER_OPERATORS, 0, READER)      \
	X(DEVICE_EAR, OPERATORS, "GET", "/api/v1/devices/*/ear", CH_CALLER_OPERATORS, 0, READER)                  \
	X(ACTIONS, OPERATORS, "GET", "/api/v1/actions", CH_CALLER_OPERATORS, 0, READER)                           \
	X(ACT, OPERATORS, "POST", "/api/v1/actions", CH_CALLER_ACTING, CH_IPC_BODY_MAX, VERIFY)                   \
	X(OPERATORS_LIST, OPERATORS, "GET", "/api/v1/operators", CH_CALLER_OPERATORS, 0, READER)                  \
	X(EKS, OPERATORS, "GET", "/api/v1/eks", CH_CALLER_OPERATORS, 0, READER)                                   \
	X(ENROLMENTS, OPERATORS, "GET", "/api/v1/enrolments", CH_CALLER_OPERATORS, 0, READER)                     \
	X(CLASSES, OPERATORS, "GET", "/api/v1/classes", CH_CALLER_OPERATORS, 0, READER)                           \
	X(GENERATION, OPERATORS, "GET", "/api/v1/generations/*", CH_CALLER_OPERATORS, 0, READER)                  \
	X(AUDIT, OPERATORS, "GET", "/api/v1/audit", CH_CALLER_OPERATORS, 0, READER)                               \
	X(RELEASES, OPERATORS, "GET", "/api/v1/releases", CH_CALLER_OPERATORS, 0, READER)                         \
	X(RELEASE_DOCUMENT, OPERATORS, "GET", "/api/v1/releases/*", CH_CALLER_OPERATORS, 0, READER)               \
	X(RELEASE_EVIDENCE, OPERATORS, "GET", "/api/v1/releases/*/proof", CH_CALLER_OPERATORS, 0, READER)         \
	X(ARTIFACT_STATE, OPERATORS, "GET", "/api/v1/artifacts/*", CH_CALLER_OPERATORS, 0, READER)                \
	X(ARTIFACT_PUT, OPERATORS, "PUT", "/api/v1/artifacts/*", CH_CALLER_RELEASING, CH_ROUTE_PIECE_MAX, KEEPER) \
	X(DEPLOYMENTS, OPERATORS, "GET", "/api/v1/deployments", CH_CALLER_OPERATORS, 0, READER)                   \
	X(DEPLOYMENT, OPERATORS, "GET", "/api/v1/deployments/*", CH_CALLER_OPERATORS, 0, READER)                  \
	X(ROLLOUTS, OPERATORS, "GET", "/api/v1/rollouts", CH_CALLER_OPERATORS, 0, READER)                         \
	X(ROLLOUT, OPERATORS, "GET", "/api/v1/rollouts/*", CH_CALLER_OPERATORS, 0, READER)                        \
	X(ROLLOUT_DEVICES, OPERATORS, "GET", "/api/v1/rollouts/*/devices", CH_CALLER_OPERATORS, 0, READER)        \
	X(EVENTS, OPERATORS, "GET", "/api/v1/events", CH_CALLER_OPERATORS, 0, EDGE)                               \
	X(METRICS, OPERATORS, "GET", "/metrics", CH_CALLER_OPERATORS, 0, EDGE)                                    \
	X(JWKS, OPERATORS, "GET", "/.well-known/jwks.json", CH_CALLER_OPERATORS, 0, READER)                       \
	/* anybody, without TLS */                                                                                \
	X(CHECKPOINT, PUBLIC, "GET", "/log/checkpoint", CH_CALLER_ANY, 0, READER)                                 \
	X(TILE, PUBLIC, "GET", "/log/tile/**", CH_CALLER_ANY, 0, READER)                                          \
	X(PUBLIC_FLEET_ROOT, PUBLIC, "GET", "/v1/fleet-root/*", CH_CALLER_ANY, 0, READER)                         \
	X(LOG_ORIGIN, PUBLIC, "GET", "/log/origin", CH_CALLER_ANY, 0, READER)                                     \
	X(PUBLIC_JWKS, PUBLIC, "GET", "/.well-known/jwks.json", CH_CALLER_ANY, 0, READER)                         \
	X(CRL, PUBLIC, "GET", "/crl/*", CH_CALLER_ANY, 0, EDGE)                                                   \
	X(OCSP, PUBLIC, "POST", "/ocsp", CH_CALLER_ANY, 2048, EDGE)                                               \
	X(OCSP_GET, PUBLIC, "GET", "/ocsp/***", CH_CALLER_ANY, 0, EDGE)                                           \
	X(HEALTH, PUBLIC, "GET", "/healthz", CH_CALLER_ANY, 0, EDGE)

/* Numbers live as long as the processes of one start: both ends are of one build. */
#define CH_ROUTE_ENUM(name, listener, method, pattern, caller, body, process) CH_ROUTE_##name,
enum ch_route_number { CH_ROUTES(CH_ROUTE_ENUM) CH_ROUTE_COUNT };
#undef CH_ROUTE_ENUM

enum ch_listener { CH_LISTENER_DEVICES, CH_LISTENER_OPERATORS, CH_LISTENER_PUBLIC, CH_LISTENER_COUNT };

/* Bits: who may use a route. The bits of operators are 1 << role (core/trust/action.h). */
#define CH_CALLER_ANY    0x8000u /* no certificate is asked for */
#define CH_CALLER_ATTEST 0x0100u /* a device whose state admits it: enum ch_access of core/trust/lifecycle.h */
#define CH_CALLER_RENEW  0x0200u
#define CH_CALLER_FULL   0x0400u
#define CH_CALLER_MEND   0x1000u /* a device in quarantine that may fetch what mends it (CH_VIEW_MENDS) */
#define CH_CALLER_UPDATE (CH_CALLER_FULL | CH_CALLER_MEND)
#define CH_CALLER_EST \
	0x0800u /* whoever can be asked for a certificate by EST; who that is, is judged with the request */
#define CH_CALLER_OPERATORS 0x003eu /* every role of an operator */
#define CH_CALLER_RELEASING 0x0028u /* releaser, admin */
#define CH_CALLER_ACTING    0x003eu /* the keeper decides by verb and role (ch_operator_may) */

struct ch_route {
	uint8_t listener; /* enum ch_listener */
	const char *method;
	const char *pattern;
	uint16_t caller;
	size_t body_max;
	uint8_t process; /* enum ch_role; CH_ROLE_EDGE: the edge itself */
};

/* The operation of EST that a route is, in whatever way its path is written: CH_ROUTE_EST_CACERTS, …; CH_ROUTE_COUNT: none. */
enum ch_route_number ch_route_est(unsigned route);

/* It is one of hawkBit's DDI: its first parameter is a tenant, its second a controllerId, its third, if it has one, an action. */
bool ch_route_ddi(unsigned route);

/* CH_ROUTE_COUNT rows; the index is enum ch_route_number. */
extern const struct ch_route ch_routes[];

/*
 * The route of a path. CH_ERR_NOTFOUND: no row has this path (404). CH_ERR_MISMATCH: a row has, with another method (405).
 * A GET row answers HEAD too.
 */
CH_MUST_USE enum ch_err ch_route_find(enum ch_listener listener, struct ch_span method, struct ch_span path,
				      enum ch_route_number *route);
/* The pattern ends with `***`: what stands there is text, not a path. */
bool ch_route_opaque(enum ch_route_number route);
/* The media type of this route's body. */
const char *ch_route_body_type(enum ch_route_number route);
/*
 * What the `nth` wild card (from 0) of the route's pattern stands for in `path`; for `**` and `***` the rest of the path with its slashes.
 * Empty if there is none.
 */
struct ch_span ch_route_param(enum ch_route_number route, struct ch_span path, unsigned nth);

#endif
