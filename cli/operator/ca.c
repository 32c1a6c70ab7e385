/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/ca.h"
#include "cli/operator/client.h"
#include "cli/operator/easyrsa.h"
#include "cli/operator/op.h"

#include "core/base/text.h"

#include <stdio.h>
#include <string.h>

/* `chainhold ca …`: key ceremonies (ca_root.c, ca_server.c), and authorities that are taken over. */

struct import_ask {
	bool dry_run;
};

/* --- what would be done --- */

static void number_field(struct ch_wr *to, const char *label, size_t n, const char *what)
{
	char text[256];
	(void)snprintf(text, sizeof(text), "%zu %s", n, what);
	cli_field(to, label, CLI_PLAIN, text);
}

static size_t count_of(const struct easyrsa *p, enum easyrsa_use use)
{
	size_t n = 0;
	for (size_t i = 0; i < p->count; i++)
		n += p->cert[i].use == use;
	return n;
}

static void cert_line(struct ch_wr *to, const struct easyrsa_cert *c)
{
	static uint8_t text[1024];
	static const char *const word[] = { "device", "revoked", "expired", "server" };
	struct ch_wr w = ch_wr(text, sizeof(text) - 1);
	struct ch_span serial = CH_SPAN_OF(c->serial.b);
	while (serial.n > 1 && serial.p[0] == 0)
		serial = ch_span_sub(serial, 1, serial.n - 1);
	ch_text_escape(&w, ch_span_str(c->name));
	ch_wr_str(&w, "  ");
	ch_wr_hex(&w, serial);
	ch_wr_str(&w, c->use == EASYRSA_REVOKED ? "  " : "  until ");
	ch_time_put(&w, c->use == EASYRSA_REVOKED ? c->time : c->expires);
	if (c->use == EASYRSA_REVOKED) {
		ch_wr_str(&w, "  ");
		ch_wr_str(&w, ch_crl_reason_str(c->reason));
	}
	text[w.len] = '\0';
	cli_field(to, word[c->use], c->use == EASYRSA_REVOKED ? CLI_BAD : CLI_PLAIN, (const char *)text);
}

static void plan(struct ch_wr *to, const struct easyrsa *p)
{
	static uint8_t raw[CH_CERT_MAX], text[CH_CERT_MAX];
	struct ch_wr name = ch_wr(raw, sizeof(raw)), w = ch_wr(text, sizeof(text) - 1);
	ch_x509_name_put(&name, p->ca.subject);
	ch_text_escape(&w, ch_wr_span(&name));
	text[w.len] = '\0';
	cli_put(to, CLI_HEAD, "EasyRSA CA");
	ch_wr_str(to, "\n");
	cli_field(to, "subject", CLI_PLAIN, (const char *)text);
	w = ch_wr(text, sizeof(text) - 1);
	ch_wr_hex(&w, p->ca.subject_key_id);
	text[w.len] = '\0';
	cli_field(to, "key identifier", CLI_PLAIN, (const char *)text);
	cli_field(to, "private key", p->has_key ? CLI_PLAIN : CLI_WARN,
		  p->has_key ? "there: it would sign this CA's revocation list, and nothing else"
			     : "not there: nobody could sign this CA's revocation list");
	number_field(to, "devices", count_of(p, EASYRSA_DEVICE), "certificates would be admitted");
	number_field(to, "revoked", count_of(p, EASYRSA_REVOKED), "stay revoked, with their times and reasons");
	number_field(to, "expired", count_of(p, EASYRSA_EXPIRED), "are not admitted");
	number_field(to, "servers", count_of(p, EASYRSA_SERVER), "are no devices' (extKeyUsage) and are left alone");
	if (p->not_listed > 0 || !p->has_list)
		cli_field(to, "list", CLI_WARN,
			  p->has_list ? "crl.pem is older than index.txt: revocations are not in it yet"
				      : "there is no crl.pem");
	for (size_t i = 0; i < p->count; i++)
		cert_line(to, &p->cert[i]);
}

static int cmd_import_easyrsa(int argc, char **argv)
{
	struct import_ask a = { 0 };
	const char *dir = NULL;
	const struct cli_opt opt[] = {
		{ "dry-run", NULL, "check the folder and show what would be done", CLI_FLAG, &a.dry_run },
	};
	const struct cli_usage u = {
		.args = "--dry-run DIR",
		.about = "Checks the folder of an EasyRSA 3 CA and shows what taking it over would do: which\n"
			 "certificates are devices', what is revoked, what has expired. Anything in it that\n"
			 "does not fit is named with its file and line.\n\n"
			 "Exit status: 0 it is consistent; 1 it is not; 2 usage; 4 I/O.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &dir,
		.file_min = 1,
		.file_max = 1
	};
	EASYRSA_AUTO struct easyrsa p = { .count = 0 };
	int code = cli_parse(&u, argc, argv, NULL);
	if (code < 0 && !a.dry_run) {
		cli_say("say what to do: --dry-run");
		code = CLI_USAGE;
	}
	if (code < 0)
		code = easyrsa_read(&p, dir);
	if (code >= 0)
		return code;
	plan(cli_out(), &p);
	return cli_out_end(CLI_HOLDS);
}

static const struct cli_cmd command[] = {
	{ "init", "make an offline root", cmd_ca_init },
	{ "request", "make the key of an issuing CA, and a request for it", cmd_ca_request },
	{ "sign", "sign an issuing CA with the root", cmd_ca_sign },
	{ "install", "put an issuing CA into a server", cmd_ca_install },
	{ "server", "make the server's own certificate anew", cmd_ca_server },
	{ "rollover", "another root beside the old one, or another issuing CA", cmd_ca_rollover },
	{ "show", "show the CAs of a server", cmd_ca_show },
	{ "import-easyrsa", "take over an EasyRSA 3 CA", cmd_import_easyrsa },
};

int cmd_ca(int argc, char **argv)
{
	return cli_dispatch("Certification authorities: an offline root, the CA that issues, and others beside it.",
			    command, CH_COUNT_OF(command), argc, argv);
}
