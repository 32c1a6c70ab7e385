/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_SIM_DEVICE_H
#define CH_SIM_DEVICE_H

#include "host/net/http_client.h"
#include "sim/soft_tpm.h"

/* One simulated device: its TPM, its certificate, its boot, and what it asks of the server. */

/* The log of one boot, and the digest over registers 0 to 14 that a quote of it holds. */
struct sim_boot {
	struct ch_buf log;
	uint8_t digest[32];
};

struct sim_server {
	const char *host, *port;
	struct ch_span ca_pem;
};

/* How a device treats its connection. */
enum sim_life { SIM_KEEP, SIM_RESUME, SIM_NEW };

struct sim_device {
	struct sim_tpm tpm;
	const struct sim_boot *boot;
	const struct sim_server *server;
	enum sim_life life;
	unsigned number;
	struct ch_buf certificate; /* PEM; empty before enrolment */
	struct ch_tls_client *tls;
	struct ch_net_conn *conn;
	unsigned attested;
	bool wanted;           /* the last poll said that there is an update */
	size_t log_known;      /* bytes of the log that the server has */
	char chain[16];        /* as the last answer said */
	char nonce[65];        /* that it was over, in hex */
	struct ch_net_why why; /* of the last failure */
};

void sim_device_init(struct sim_device *d, unsigned number, const struct sim_server *server,
		     const struct sim_boot *boot, enum sim_life life);
void sim_device_clear(struct sim_device *d);
/* Each is one thing that a device does, over its connection or a new one. False: d->why says what happened. */
bool sim_device_enrol(struct sim_device *d, struct sim_maker *m);
bool sim_device_attest(struct sim_device *d);
bool sim_device_poll(struct sim_device *d);
/*
 * What an agent does with an offer: asks what it is, takes document and artefact, holds both against their digests, says that it has installed,
 * and starts anew with this boot. That it runs is for the next attestation to show.
 * Its boot is as it was if nothing is offered (any more).
 */
bool sim_device_update(struct sim_device *d, const struct sim_boot *next);
/* Ends a kept connection. */
void sim_device_hang_up(struct sim_device *d);

#endif
