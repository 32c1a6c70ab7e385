/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "core/update/ddi.h"

/* Takes what is up to `end`, or all; without it. */
static struct ch_span upto(struct ch_span in, size_t *off, uint8_t end)
{
	size_t from = *off, n = 0;
	while (n < in.n - from && in.p[from + n] != end)
		n++;
	*off = from + n < in.n ? from + n + 1 : in.n;
	return ch_span_sub(in, from, n);
}

enum ch_err ch_ddi_token_next(struct ch_ddi_token *t, struct ch_span in, size_t *off, struct ch_diag *d)
{
	*t = (struct ch_ddi_token){ 0 };
	ch_diag_clear(d);
	while (*off < in.n) {
		size_t at = *off, word = 0;
		struct ch_span line = upto(in, off, '\n');
		if (line.n == 0 || line.p[0] == '#')
			continue;
		struct ch_span name = upto(line, &word, ' ');
		struct ch_span hex = ch_span_sub(line, word, line.n - word);
		if (!ch_ddi_name_valid(name) || hex.n != 64 ||
		    ch_hex_decode(t->sha256, sizeof(t->sha256), hex) != CH_OK) {
			*t = (struct ch_ddi_token){ 0 };
			return ch_fail(
				d, CH_ERR_MALFORMED, at,
				"a line is a controllerId, a space and the SHA-256 of its token, 64 hexadecimal digits");
		}
		t->controller = name;
		return CH_OK;
	}
	return CH_ERR_NOTFOUND;
}

bool ch_ddi_authorization(struct ch_span value, enum ch_ddi_token_kind *kind, struct ch_span *token)
{
	static const struct ch_span scheme[CH_DDI_TOKEN_KINDS] = { CH_SPAN_LIT("TargetToken "),
								   CH_SPAN_LIT("GatewayToken ") };
	for (size_t i = 0; i < CH_COUNT_OF(scheme); i++) {
		if (!ch_span_starts(value, scheme[i]) || value.n == scheme[i].n)
			continue;
		*kind = (enum ch_ddi_token_kind)i;
		*token = ch_span_sub(value, scheme[i].n, value.n - scheme[i].n);
		return true;
	}
	return false;
}
