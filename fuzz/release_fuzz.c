/* SPDX-License-Identifier: Apache-2.0 */
#include "core/update/release.h"

#include <stdlib.h>

/*
 * Whatever the bytes: a refusal names its rule and leaves nothing behind; what is accepted keeps its limits, none of its names leads out of
 * a folder, and written it is read again as the same document. No input that was not signed is trusted.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static struct ch_release release, again;
static struct ch_fleet_root root;
static struct ch_json_node node[CH_RELEASE_NODES_MAX];

static void check_file(const struct ch_release_file *f)
{
	CHECK(f->size >= 1 && f->size <= CH_ARTIFACT_MAX);
	CHECK(f->name.n >= 1 && f->name.n <= CH_RELEASE_FILE_NAME_MAX && f->name.p[0] != '.' && f->name.p[0] != '-');
	for (size_t i = 0; i < f->name.n; i++)
		CHECK(f->name.p[i] != '/' && f->name.p[i] != '\\' && f->name.p[i] > ' ' && f->name.p[i] < 0x7f);
}

static void check_again(void)
{
	static uint8_t first[CH_RELEASE_MAX * 2 + 1], second[CH_RELEASE_MAX * 2];
	struct ch_diag d;
	struct ch_wr w = ch_wr(first, sizeof(first) - 1);
	enum ch_err err = ch_release_put(&w, &release, node, CH_COUNT_OF(node));
	/* Indentation may make it longer than a document may be. */
	if (err == CH_ERR_NOSPACE)
		return;
	CHECK(err == CH_OK);
	ch_wr_u8(&w, '\n');
	if (w.len > CH_RELEASE_MAX)
		return;
	CHECK(ch_release_parse(&again, ch_wr_span(&w), node, CH_COUNT_OF(node), &d) == CH_OK);
	struct ch_wr v = ch_wr(second, sizeof(second));
	CHECK(ch_release_put(&v, &again, node, CH_COUNT_OF(node)) == CH_OK);
	CHECK(ch_span_eq(ch_wr_span(&v), ch_span(first, w.len - 1)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ch_diag d;
	CHECK(ch_artifact_kind_of(ch_span(data, size)) < CH_ARTIFACT_KIND_COUNT);
	enum ch_err err = ch_release_parse(&release, ch_span(data, size), node, CH_COUNT_OF(node), &d);
	CHECK((err == CH_OK) == (d.rule == NULL) && d.off <= size);
	if (err != CH_OK) {
		CHECK(release.sequence == 0 && release.artifact_count == 0 && release.note.text.n == 0);
		return 0;
	}
	CHECK(release.sequence >= 1 && release.floor <= release.sequence && release.expires > release.issued);
	CHECK(release.class_count >= 1 && release.class_count <= CH_RELEASE_CLASSES_MAX);
	CHECK(release.artifact_count >= 1 && release.artifact_count <= CH_RELEASE_ARTIFACTS_MAX);
	for (size_t i = 0; i < release.artifact_count; i++) {
		check_file(&release.artifact[i].file);
		CHECK(release.artifact[i].kind < CH_ARTIFACT_KIND_COUNT);
		CHECK(ch_release_artifact(&release, release.artifact[i].file.sha256) == &release.artifact[i]);
	}
	if (release.has_sbom)
		check_file(&release.sbom);
	root.release_count = 1;
	root.release[0] = (struct ch_root_role){ .name = release.role, .threshold = 1, .count = 1 };
	root.release[0].key[0] = (struct ch_root_key){ .type = CH_KEY_ED25519, .raw = { 1 } };
	CHECK(ch_release_check(&release, &root, release.class[0], 0, 0, &d) != CH_OK);
	check_again();
	return 0;
}
