/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/cms_certs.h"

/* 1.2.840.113549.1.7.n: PKCS #7 content types */
static const uint8_t id_data[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01 };
static const uint8_t id_signed_data[] = { 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02 };

enum ch_err ch_cms_certs_put(struct ch_wr *w, const struct ch_span *cert, size_t count)
{
	struct ch_der_wr d = ch_der_wr(w);
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	ch_der_put(&d, CH_DER_OID, CH_SPAN_OF(id_signed_data));
	ch_der_put_begin(&d, CH_DER_CONTEXT_IN(0));
	ch_der_put_begin(&d, CH_DER_SEQUENCE);
	ch_der_put_small(&d, 1);
	ch_der_put(&d, CH_DER_SET, CH_SPAN_EMPTY); /* digestAlgorithms */
	ch_der_put_begin(&d, CH_DER_SEQUENCE);     /* encapContentInfo, without content */
	ch_der_put(&d, CH_DER_OID, CH_SPAN_OF(id_data));
	ch_der_put_end(&d);
	ch_der_put_begin(&d, CH_DER_CONTEXT_IN(0));
	for (size_t i = 0; i < count; i++)
		ch_der_put_raw(&d, cert[i]);
	ch_der_put_end(&d);
	ch_der_put(&d, CH_DER_SET, CH_SPAN_EMPTY); /* signerInfos */
	ch_der_put_end(&d);
	ch_der_put_end(&d);
	ch_der_put_end(&d);
	return ch_der_wr_done(&d) ? CH_OK : CH_ERR_NOSPACE;
}
