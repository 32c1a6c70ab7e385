/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ipc/root_list.h"

#include "core/wire/base64.h"

/* The CA that issues, in a list of its own issuer. */
static bool revokes(const struct ch_crl *c, const struct ch_x509 *issuer)
{
	struct ch_crl_rd entries = ch_crl_entries(c);
	struct ch_crl_entry e;
	struct ch_serial want, have;
	if (!ch_x509_name_eq(c->x.issuer, issuer->issuer) || !ch_serial_make(&want, issuer->serial))
		return false;
	while (ch_crl_next(&entries, &e)) {
		if (ch_serial_make(&have, e.serial) && ch_span_eq(CH_SPAN_OF(have.b), CH_SPAN_OF(want.b)))
			return true;
	}
	return false;
}

static enum ch_err take(struct ch_root_list *l, const struct ch_crl *c, const struct ch_x509 *root, struct ch_diag *d)
{
	struct ch_wr w = ch_wr(l->kid, sizeof(l->kid) - 1);
	ch_wr_hex(&w, root->subject_key_id);
	if (!c->has_next || c->number.n == 0 || c->number.n > sizeof(l->number) || root->subject_key_id.n == 0 || w.bad)
		return ch_fail(
			d, CH_ERR_UNSUPPORTED, 0,
			"a root's list has nextUpdate, a number of at most 64 bits, and a root with a key identifier");
	l->number = 0;
	for (size_t i = 0; i < c->number.n; i++)
		l->number = l->number << 8 | c->number.p[i];
	l->this_update = c->this_update;
	l->next_update = c->next_update;
	return CH_OK;
}

enum ch_err ch_root_list_judge(struct ch_root_list *l, struct ch_span der, struct ch_span ca_pem, struct ch_diag *d)
{
	static uint8_t issuer_der[CH_CERT_MAX], root_der[CH_CERT_MAX];
	static struct ch_x509 issuer, root;
	struct ch_crl c;
	struct ch_root_list out = { .number = 0 };
	size_t off = 0, n;
	*l = out;
	if (der.n > CH_ROOT_LIST_MAX)
		return ch_fail(d, CH_ERR_LIMIT, 0, "longer than the list of a root may be");
	enum ch_err err = ch_crl_parse(&c, der, d);
	if (err != CH_OK)
		return err;
	if (ch_pem_next(ca_pem, &off, "CERTIFICATE", issuer_der, sizeof(issuer_der), &n, NULL) != CH_OK ||
	    ch_x509_parse(&issuer, ch_span(issuer_der, n), NULL) != CH_OK)
		return ch_fail(d, CH_ERR_UNTRUSTED, 0, "the server trusts no CA");
	if (ch_crl_verify(&c, &issuer, NULL) == CH_OK)
		return ch_fail(d, CH_ERR_UNTRUSTED, 0, "the server signs the list of the CA that issues itself");
	while (ch_pem_next(ca_pem, &off, "CERTIFICATE", root_der, sizeof(root_der), &n, NULL) == CH_OK) {
		if (ch_x509_parse(&root, ch_span(root_der, n), NULL) != CH_OK ||
		    ch_crl_verify(&c, &root, NULL) != CH_OK)
			continue;
		err = take(&out, &c, &root, d);
		out.revokes_issuer = revokes(&c, &issuer);
		*l = err == CH_OK ? out : *l;
		return err;
	}
	return ch_fail(d, CH_ERR_UNTRUSTED, 0, "no CA that the server trusts (ca) signed it");
}
