/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cbor_driver FILE: reads one item with core/wire/cbor and prints, a line each, what the checks say, the item as the writer has
 * it, and every head: "wellformed ok", "valid duplicate", "deterministic bad encoding", "again 8301…", "array 3", "uint 1", ….
 * Exit 0 if it is well-formed, 1 if not, 2 for wrong use, 4 if FILE cannot be read.
 */
#include "core/wire/cbor.h"

#include <inttypes.h>
#include <stdio.h>

#define INPUT_MAX 0x100000

static uint8_t input[INPUT_MAX];
static uint8_t output[INPUT_MAX + 16];

static void put_hex(struct ch_span s)
{
	for (size_t i = 0; i < s.n; i++)
		printf("%02x", s.p[i]);
}

static void again(struct ch_wr *w, const struct ch_cbor_item *it)
{
	if (it->indefinite) {
		ch_wr_u8(w, (uint8_t)(it->type << 5 | 31));
		return;
	}
	switch (it->type) {
	case CH_CBOR_UINT:
		ch_cbor_put_uint(w, it->value);
		break;
	case CH_CBOR_NINT:
		ch_cbor_put_nint(w, it->value);
		break;
	case CH_CBOR_BSTR:
		ch_cbor_put_bstr(w, it->str);
		break;
	case CH_CBOR_TSTR:
		ch_cbor_put_tstr(w, it->str);
		break;
	case CH_CBOR_ARRAY:
		ch_cbor_put_array(w, (size_t)it->value);
		break;
	case CH_CBOR_MAP:
		ch_cbor_put_map(w, (size_t)it->value);
		break;
	case CH_CBOR_TAG:
		ch_cbor_put_tag(w, it->value);
		break;
	case CH_CBOR_SIMPLE:
		ch_cbor_put_simple(w, (uint8_t)it->value);
		break;
	case CH_CBOR_FLOAT:
		ch_cbor_put_float(w, it->value, it->width);
		break;
	default:
		ch_wr_u8(w, 0xff);
	}
}

static void show(const struct ch_cbor_item *it)
{
	static const char *const name[] = { "uint", "nint", "bstr",   "tstr",  "array",
					    "map",  "tag",  "simple", "float", "break" };
	printf("%s", name[it->type]);
	if (it->type == CH_CBOR_BREAK) {
		printf("\n");
	} else if (it->indefinite) {
		printf(" _\n");
	} else if (it->type == CH_CBOR_BSTR || it->type == CH_CBOR_TSTR) {
		printf(" ");
		put_hex(it->str);
		printf("\n");
	} else if (it->type == CH_CBOR_FLOAT) {
		printf(" %016" PRIx64 "\n", ch_cbor_float64(it->value, it->width));
	} else {
		printf(" %" PRIu64 "\n", it->value);
	}
}

static int judge(struct ch_span in)
{
	struct ch_diag d;
	enum ch_err err = ch_cbor_wellformed(in, &d);
	printf("wellformed %s\n", ch_err_str(err));
	if (err != CH_OK) {
		(void)fprintf(stderr, "%s at byte %zu: %s\n", ch_err_str(err), d.off, d.rule);
		return 1;
	}
	printf("valid %s\n", ch_err_str(ch_cbor_check(in, CH_CBOR_ANY, NULL)));
	printf("deterministic %s\n", ch_err_str(ch_cbor_check(in, CH_CBOR_DETERMINISTIC, NULL)));
	struct ch_wr w = ch_wr(output, sizeof(output));
	struct ch_cbor_item it;
	struct ch_cbor r = ch_cbor(in, CH_CBOR_ANY);
	while (r.off < in.n && ch_cbor_next_raw(&r, &it))
		again(&w, &it);
	printf("again ");
	put_hex(ch_wr_span(&w));
	printf("\n");
	for (r = ch_cbor(in, CH_CBOR_ANY); r.off < in.n && ch_cbor_next_raw(&r, &it);)
		show(&it);
	return r.err == CH_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	FILE *f = fopen(argv[1], "rb");
	if (f == NULL)
		return 4;
	size_t n = fread(input, 1, sizeof(input), f);
	bool whole = ferror(f) == 0 && n < sizeof(input);
	(void)fclose(f);
	return whole ? judge(ch_span(input, n)) : 4;
}
