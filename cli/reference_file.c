/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reference.h"

int cli_reference_read(struct cli_reference *r)
{
	if (r->paths.count > CH_REF_DOCS_MAX) {
		cli_say("at most %d reference files can be used together", CH_REF_DOCS_MAX);
		return CLI_USAGE;
	}
	for (size_t i = 0; i < r->paths.count; i++) {
		int code = cli_read(&r->in[i], r->paths.v[i]);
		if (code >= 0)
			return code;
	}
	return -1;
}

static int refused(const struct cli_reference *r, size_t doc, size_t off, enum ch_err err, const char *rule)
{
	size_t line, column;
	ch_json_position(ch_buf_span(&r->in[doc]), off, &line, &column);
	cli_say("%s:%zu:%zu: byte %zu: %s (%s)", r->paths.v[doc], line, column, off, rule != NULL ? rule : "refused",
		ch_err_str(err));
	if (off == 0)
		cli_say("reference values are JSON as 'chainhold reference capture' makes it");
	return err == CH_ERR_UNSUPPORTED ? CLI_UNSUPPORTED : CLI_FAILS;
}

int cli_reference_compile(struct cli_reference *r)
{
	for (size_t i = 0; i < r->paths.count; i++) {
		struct ch_span in = ch_buf_span(&r->in[i]);
		size_t cap = ch_json_nodes_max(in.n);
		struct ch_json_node *node = ch_calloc(cap, sizeof(*node));
		struct ch_diag d;
		enum ch_err err = ch_json_parse(&r->doc[i], in, node, cap, &d);
		if (err != CH_OK) {
			ch_free(node);
			return refused(r, i, d.off, err, d.rule);
		}
	}
	struct ch_ref_diag d;
	size_t size = ch_reference_arena_size(r->doc, r->paths.count);
	r->arena = ch_calloc(size, 1);
	struct ch_arena arena = ch_arena(r->arena, size);
	enum ch_err err = ch_reference_compile(&r->ref, r->doc, r->paths.count, &arena, &d);
	return err == CH_OK ? -1 : refused(r, d.doc, d.off, err, d.rule);
}

void cli_reference_clear(struct cli_reference *r)
{
	for (size_t i = 0; i < r->paths.count; i++) {
		ch_free(r->doc[i].node);
		ch_buf_free(&r->in[i]);
	}
	ch_free(r->arena);
}
