/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd.h"
#include "cli/measure_show.h"
#include "cli/swu_content.h"
#include "core/base/text.h"
#include "host/crypto_openssl/cms.h"

/* Images of SWUpdate: description, signature, files, and what a boot of them will measure. */

struct report {
	struct cli_swu s;
	struct ch_measure m;
	uint64_t size;
	const char *signature; /* "none", "not verified", "verified" */
	uint8_t signer[1024];  /* its subject, escaped */
	size_t signer_n;
};

static void json_text(struct ch_json_wr *j, const char *name, const char *text)
{
	uint8_t room[CH_SWU_WORD_MAX * 4];
	struct ch_wr w = ch_wr(room, sizeof(room));
	ch_text_escape(&w, ch_span_str(text));
	ch_json_name(j, name);
	if (*text == '\0' || w.bad)
		ch_json_put_null(j);
	else
		ch_json_put_span(j, ch_wr_span(&w));
}

static void report_json(struct ch_wr *w, const struct report *r)
{
	struct ch_json_wr j = ch_json_wr(w, true);
	ch_json_object_begin(&j);
	ch_json_named_str(&j, "format", "swu");
	ch_json_named_u64(&j, "size", r->size);
	ch_json_named_str(&j, "cpio", r->s.swu.crc ? "crc" : "newc");
	json_text(&j, "version", r->s.description.version);
	ch_json_named_u64(&j, "description_size", r->s.swu.description.n);
	ch_json_named_u64(&j, "signature_size", r->s.swu.signature.n);
	ch_json_named_str(&j, "signature", r->signature);
	ch_json_name(&j, "signer");
	if (r->signer_n > 0)
		ch_json_put_span(&j, ch_span(r->signer, r->signer_n));
	else
		ch_json_put_null(&j);
	ch_json_name(&j, "images");
	ch_json_array_begin(&j);
	for (size_t i = 0; i < r->s.description.image_count; i++) {
		const struct ch_swu_image *image = &r->s.description.image[i];
		ch_json_object_begin(&j);
		ch_json_named_str(&j, "list", image->list);
		json_text(&j, "filename", image->filename);
		json_text(&j, "type", image->type);
		json_text(&j, "device", image->device);
		ch_json_named_u64(&j, "size", r->s.size[i]);
		ch_json_named_hex(&j, "sha256", CH_SPAN_OF(r->s.sha256[i]));
		ch_json_named_bool(&j, "sha256_in_description", image->has_sha256);
		ch_json_named_bool(&j, "compressed", image->packing != CH_SWU_PLAIN);
		ch_json_named_bool(&j, "encrypted", image->encrypted);
		ch_json_named_str(&j, "holds", r->s.holds[i]);
		ch_json_object_end(&j);
	}
	ch_json_array_end(&j);
	ch_json_named_u64(&j, "unnamed_files", r->s.unnamed);
	cli_measure_json(&j, &r->m);
	ch_json_object_end(&j);
	ch_wr_str(w, "\n");
}

static void page_image(struct ch_wr *w, const struct report *r, size_t i)
{
	const struct ch_swu_image *image = &r->s.description.image[i];
	cli_field_begin(w, image->list);
	ch_text_escape(w, ch_span_str(image->filename));
	ch_wr_str(w, ", ");
	ch_wr_dec(w, r->s.size[i]);
	ch_wr_str(w, image->has_sha256 ? " bytes, as its sha256 says, " : " bytes, no sha256, ");
	ch_wr_str(w, r->s.holds[i]);
	ch_wr_str(w, "\n");
}

static void report_page(struct ch_wr *w, const struct report *r)
{
	cli_put(w, CLI_HEAD, "SWUpdate image");
	ch_wr_str(w, "\n");
	cli_field_begin(w, "version");
	ch_text_escape(w, ch_span_str(r->s.description.version));
	ch_wr_str(w, "\n");
	cli_field_begin(w, "signature");
	cli_put(w, r->signer_n > 0 ? CLI_GOOD : CLI_WARN, r->signature);
	if (r->signer_n > 0) {
		ch_wr_str(w, ": ");
		cli_put_escaped(w, ch_span(r->signer, r->signer_n));
	}
	ch_wr_str(w, "\n");
	for (size_t i = 0; i < r->s.description.image_count; i++)
		page_image(w, r, i);
	if (r->s.unnamed > 0) {
		cli_field_begin(w, "files");
		ch_wr_dec(w, r->s.unnamed);
		ch_wr_str(w, " more, which the description does not name\n");
	}
	cli_measure_page(w, &r->m);
}

/* With anchors the signature must be there and hold. */
static enum ch_err judge_signature(struct report *r, const struct ch_buf *ca, struct ch_diag *d)
{
	uint8_t subject[sizeof(r->signer) / 4];
	struct ch_wr w = ch_wr(subject, sizeof(subject)), e = ch_wr(r->signer, sizeof(r->signer));
	r->signature = r->s.swu.signature.n > 0 ? "not verified" : "none";
	if (ca == NULL)
		return CH_OK;
	if (r->s.swu.signature.n == 0)
		return ch_fail(d, CH_ERR_SIGNATURE, 0, "there is no signature (SWUpdate)");
	enum ch_err err = ch_cms_verify(r->s.swu.description, r->s.swu.signature, ch_buf_span(ca), &w, d);
	if (err != CH_OK)
		return err;
	ch_text_escape(&e, ch_wr_span(&w));
	r->signer_n = e.len;
	r->signature = "verified";
	return CH_OK;
}

struct ask {
	bool json;
	const char *ca, *path;
};

static int parse_options(int argc, char **argv, struct ask *a)
{
	const struct cli_opt opt[] = {
		{ "json", NULL, "print JSON (docs/schema/inspect-swu.schema.json)", CLI_FLAG, &a->json },
		{ "ca", "FILE", "certificates that are trusted (PEM): the signature must hold under one", CLI_VALUE,
		  &a->ca },
	};
	const struct cli_usage usage = {
		.args = "[--json] [--ca FILE] FILE",
		.about =
			"Shows an image of SWUpdate (.swu): its description, the files that it names held against their hashes, and the\n"
			"measurements that a boot of EFI binaries in them will show. Its signature is verified with --ca alone.\n\n"
			"Exit status: 0 it could be read and its files are those of the description; 1 not, malformed, or the signature\n"
			"does not hold; 2 usage; 3 unsupported; 4 I/O.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &a->path,
		.file_min = 1,
		.file_max = 1
	};
	return cli_parse(&usage, argc, argv, NULL);
}

int cmd_inspect_swu(int argc, char **argv)
{
	static struct report r;
	static struct ask a;
	CH_AUTO_MAP struct ch_map map = { 0 };
	CH_AUTO_BUF struct ch_buf ca = { 0 };
	struct ch_diag d;
	int code = parse_options(argc, argv, &a);
	if (code < 0)
		code = cli_map(&map, a.path);
	if (code < 0 && a.ca != NULL)
		code = cli_read(&ca, a.ca);
	(void)cli_colour();
	ch_cms_init();
	if (code < 0)
		code = cli_confine();
	if (code >= 0)
		return code;
	ch_measure_init(&r.m);
	r.size = map.n;
	enum ch_err err = cli_swu_read(&r.s, &r.m, ch_map_span(&map), &d);
	if (err == CH_OK)
		err = judge_signature(&r, a.ca != NULL ? &ca : NULL, &d);
	if (err != CH_OK) {
		code = cli_refused(err == CH_ERR_KEY ? a.ca : a.path, "entry", err, &d);
	} else {
		(a.json ? report_json : report_page)(cli_out(), &r);
		code = cli_out_end(CLI_HOLDS);
	}
	cli_swu_clear(&r.s);
	return code;
}
