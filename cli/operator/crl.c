/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/crl.h"

#include "cli/cmd.h"
#include "core/wire/base64.h"

#include <openssl/pem.h>
#include <string.h>

#define LABEL      "X509 CRL"
#define NUMBER_MAX 8 /* bytes: ours are counted in seconds */

void op_crls_clear(struct op_crls *l)
{
	for (size_t i = 0; i < l->count; i++)
		ch_buf_free(&l->v[i].der);
	l->count = 0;
}

static bool has(struct ch_span in, const char *text)
{
	size_t n = strlen(text);
	for (size_t i = 0; i + n <= in.n; i++) {
		if (memcmp(in.p + i, text, n) == 0)
			return true;
	}
	return false;
}

bool op_crls_is(struct ch_span in)
{
	return has(in, "-----BEGIN " LABEL "-----") && !has(in, "-----BEGIN CERTIFICATE-----");
}

static int add(struct op_crls *l, struct ch_span der, const char *path)
{
	struct ch_diag d = { 0 };
	if (l->count == OP_CRLS_MAX) {
		cli_say("%s: more than %d lists", path, OP_CRLS_MAX);
		return CLI_FAILS;
	}
	struct op_crl *one = &l->v[l->count++];
	*one = (struct op_crl){ .number = 0 };
	ch_buf_append(&one->der, der);
	enum ch_err err = ch_crl_parse(&one->crl, ch_buf_span(&one->der), &d);
	if (err == CH_OK && (!one->crl.has_next || one->crl.number.n > NUMBER_MAX))
		err = ch_fail(&d, CH_ERR_UNSUPPORTED, 0, "a list without nextUpdate, or with a number above 2^64");
	for (size_t i = 0; err == CH_OK && i < one->crl.number.n; i++)
		one->number = one->number << 8 | one->crl.number.p[i];
	return err == CH_OK ? -1 : cli_refused(path, NULL, err, &d);
}

int op_crls_take(struct op_crls *l, struct ch_span in, const char *path)
{
	static uint8_t der[CH_ROOT_LIST_MAX];
	size_t off = 0, n, found = 0;
	struct ch_diag d = { 0 };
	enum ch_err err = CH_OK;
	int code = -1;
	if (in.n > 0 && in.n <= sizeof(der) && in.p[0] == 0x30)
		return add(l, in, path);
	while (code < 0 && (err = ch_pem_next(in, &off, LABEL, der, sizeof(der), &n, &d)) == CH_OK) {
		code = add(l, ch_span(der, n), path);
		found++;
	}
	if (code >= 0 || (err == CH_ERR_NOTFOUND && found > 0))
		return code;
	if (err != CH_ERR_NOTFOUND)
		return cli_refused(path, NULL, err, &d);
	cli_say("%s: no revocation list in PEM or DER, or one that is longer than that of a root", path);
	return CLI_FAILS;
}

int op_crls_read(struct op_crls *l, const char *path)
{
	CH_AUTO_BUF struct ch_buf in = { 0 };
	int code = cli_read(&in, path);
	return code < 0 ? op_crls_take(l, ch_buf_span(&in), path) : code;
}

bool op_crl_is_by(const struct op_crl *l, X509 *ca)
{
	static struct ch_x509 x;
	struct ch_diag d;
	unsigned char *der = NULL;
	int n = i2d_X509(ca, &der);
	bool is = n > 0 && ch_x509_parse(&x, ch_span(der, (size_t)n), NULL) == CH_OK &&
		  ch_crl_verify(&l->crl, &x, &d) == CH_OK;
	OPENSSL_free(der);
	return is;
}

bool op_crl_has(const struct op_crl *l, X509 *x)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
	struct ch_crl_rd entries = ch_crl_entries(&l->crl);
	struct ch_crl_entry e;
	struct ch_serial want, have;
	if (!ch_serial_make(&want, ch_span(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial))))
		return false;
	while (ch_crl_next(&entries, &e)) {
		if (ch_serial_make(&have, e.serial) && ch_span_eq(CH_SPAN_OF(have.b), CH_SPAN_OF(want.b)))
			return true;
	}
	return false;
}

bool op_crl_pem(struct ch_buf *to, struct ch_span der)
{
	char *p = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	bool good = bio != NULL && PEM_write_bio(bio, LABEL, "", der.p, (long)der.n) > 0;
	long n = good ? BIO_get_mem_data(bio, &p) : 0;
	if (n > 0)
		ch_buf_append(to, ch_span(p, (size_t)n));
	BIO_free(bio);
	return n > 0;
}
