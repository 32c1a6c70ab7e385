/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/import.h"

#include "core/base/text.h"
#include "core/platform/crl.h"
#include "core/update/release_proof.h"
#include "core/wire/base64.h"

/*
 * chainhold import --check: everything that is in an archive is verified, and nothing is written. It is signed by a role of the newest fleet
 * root that the one which is trusted leads to; each file then holds by its own signatures, or is named by one that does.
 */

/* One line of the answer: what holds. What does not ends the check with a message. */
static void holds(const struct import *m, const char *what, struct ch_span of)
{
	struct ch_wr *w = cli_out();
	if (m->quiet)
		return;
	cli_put(w, CLI_GOOD, "holds ");
	ch_wr_str(w, " ");
	ch_wr_str(w, what);
	ch_wr_str(w, of.n > 0 ? " " : "");
	ch_text_escape(w, of);
	ch_wr_u8(w, '\n');
}

static int refused(const struct import *m, const struct ch_archive_file *f, enum ch_err err, const struct ch_diag *d)
{
	cli_say("%s: %.*s: %s (%s)", m->archive.path, (int)f->path.n, (const char *)f->path.p,
		d->rule != NULL ? d->rule : "refused", ch_err_str(err));
	return CLI_FAILS;
}

int import_refused(const struct import *m, const struct ch_archive_file *f, const char *rule)
{
	const struct ch_diag d = { .rule = rule };
	return refused(m, f, CH_ERR_MISMATCH, &d);
}

static size_t number_of(const struct import *m, const struct ch_archive_file *f)
{
	return (size_t)(f - m->archive.a.file);
}

const struct ch_archive_file *import_find(const struct import *m, const char *prefix, struct ch_span middle,
					  const char *suffix)
{
	uint8_t path[CH_ARCHIVE_PATH_MAX];
	struct ch_wr w = ch_wr(path, sizeof(path));
	ch_wr_str(&w, prefix);
	ch_wr_put(&w, middle);
	ch_wr_str(&w, suffix);
	return w.bad ? NULL : ch_archive_find(&m->archive.a, ch_wr_span(&w));
}

static const struct ch_archive_file *find_digest(const struct import *m, const char *prefix,
						 const uint8_t sha256[static 32], const char *suffix)
{
	uint8_t hex[64];
	struct ch_wr w = ch_wr(hex, sizeof(hex));
	ch_wr_hex(&w, ch_span(sha256, 32));
	return import_find(m, prefix, ch_wr_span(&w), suffix);
}

/* --- whom to trust --- */

/* From the version that is known to the newest in the archive. */
static int walk(struct import *m)
{
	for (;;) {
		struct cli_root *known = m->root, *next = known == &m->roots[0] ? &m->roots[1] : &m->roots[0];
		uint8_t digits[24];
		struct ch_wr w = ch_wr(digits, sizeof(digits));
		struct ch_diag d;
		ch_wr_dec(&w, known->r.version + 1);
		const struct ch_archive_file *f = import_find(m, "fleet-root/", ch_wr_span(&w), "");
		if (f == NULL)
			return -1;
		next->path = m->archive.path;
		int code = cli_archive_load(&m->archive, number_of(m, f), CH_NOTE_MAX, &next->file);
		if (code < 0)
			code = cli_root_parse(next);
		if (code >= 0)
			return code;
		enum ch_err err = ch_fleet_root_next(&known->r, &next->r, &d);
		if (err != CH_OK)
			return refused(m, f, err, &d);
		holds(m, "step of the fleet root to version", ch_wr_span(&w));
		m->root = next;
	}
}

static int check_signature(struct import *m)
{
	const struct ch_fleet_root *r = &m->root->r;
	struct ch_diag d;
	enum ch_err err = ch_fleet_root_current(r, m->time, &d);
	if (err == CH_OK)
		err = ch_fail(&d, CH_ERR_UNTRUSTED, 0,
			      "the fleet root has no release role of the name by which it is signed");
	for (size_t i = 0; i < r->release_count; i++) {
		if (ch_span_eq(r->release[i].name, m->archive.a.role) && m->time < r->expires)
			err = ch_role_signed(&r->release[i], &m->archive.a.note, &d);
	}
	if (err != CH_OK)
		return cli_refused(m->archive.path, NULL, err, &d);
	holds(m, "signed by the role", m->archive.a.role);
	return -1;
}

/* --- files by kind --- */

/* Versions that the walk did not come to are those that are known already; another document under a known number is a fork. */
static int check_fleet_root(struct import *m, const struct ch_archive_file *f, const struct ch_archive_path *p)
{
	struct ch_digest d;
	if (p->number > m->root->r.version)
		return import_refused(m, f, "no version leads to this one");
	if (p->number != m->trusted_version)
		return -1;
	if (ch_hash_once(CH_HASH_SHA256, m->trusted_text, &d) != CH_OK ||
	    !ch_span_eq(ch_digest_span(&d), CH_SPAN_OF(f->sha256)))
		return import_refused(m, f, "it is another document than the one of this version that is trusted");
	return -1;
}

static int check_artifacts(struct import *m, const struct ch_archive_file *f, const struct ch_release *r)
{
	for (size_t i = 0; i < r->artifact_count; i++) {
		const struct ch_release_file *a = &r->artifact[i].file;
		const struct ch_archive_file *have = find_digest(m, "artifacts/", a->sha256, "");
		if (have == NULL || have->size != a->size)
			return import_refused(m, f,
					      have == NULL ? "an artefact of this release is not in the archive"
							   : "an artefact has another size than its release says");
		m->named[number_of(m, have)] = true;
	}
	if (r->has_sbom) {
		const struct ch_archive_file *have = find_digest(m, "artifacts/", r->sbom.sha256, "");
		if (have != NULL)
			m->named[number_of(m, have)] = true;
	}
	return -1;
}

static int check_proof(struct import *m, const struct ch_archive_file *f, const struct ch_release *r)
{
	static struct ch_release_proof proof;
	struct ch_checkpoint c;
	struct ch_diag d = { .rule = NULL };
	CH_AUTO_BUF struct ch_buf text = { 0 };
	int code = cli_archive_load(&m->archive, number_of(m, f), CH_RELEASE_PROOF_MAX, &text);
	if (code >= 0)
		return code;
	struct ch_archive_path p;
	enum ch_err err = ch_archive_path_parse(&p, f->path);
	if (err == CH_OK)
		err = ch_release_proof_parse(&proof, ch_buf_span(&text), &d);
	if (err == CH_OK)
		err = ch_release_proof_check(&proof, r, p.sha256, m->root->r.log, m->root->r.log_count, &c, &d);
	if (err != CH_OK)
		return refused(m, f, err, &d);
	m->named[number_of(m, f)] = true;
	return -1;
}

static int check_release(struct import *m, const struct ch_archive_file *f)
{
	static struct cli_release c;
	struct ch_diag d;
	c.path = m->archive.path;
	int code = cli_archive_load(&m->archive, number_of(m, f), CH_RELEASE_FILE_MAX, &c.file);
	if (code < 0)
		code = cli_release_parse(&c);
	if (code >= 0)
		return code;
	enum ch_err err = ch_release_signed(&c.r, &m->root->r, &d);
	if (err != CH_OK)
		return refused(m, f, err, &d);
	code = check_artifacts(m, f, &c.r);
	const struct ch_archive_file *proof = find_digest(m, "releases/", c.sha256, ".proof");
	if (code < 0 && proof != NULL)
		code = check_proof(m, proof, &c.r);
	if (code < 0 && c.r.reference.n > 0)
		code = import_reference(m, f, c.r.reference);
	if (code < 0)
		holds(m, proof != NULL ? "release, in the log," : "release, without a proof of the log,", c.r.name);
	return code;
}

int import_reference(struct import *m, const struct ch_archive_file *f, struct ch_span text)
{
	static struct cli_reference ref;
	(void)f;
	ref.paths = (struct cli_values){ .count = 1, .v = { m->archive.path } };
	ref.in[0].n = 0;
	ch_buf_append(&ref.in[0], text);
	int code = cli_reference_compile(&ref);
	cli_reference_clear(&ref);
	ref = (struct cli_reference){ .arena = NULL };
	return code;
}

static int check_reference(struct import *m, const struct ch_archive_file *f)
{
	CH_AUTO_BUF struct ch_buf text = { 0 };
	int code = cli_archive_load(&m->archive, number_of(m, f), CH_RELEASE_MAX, &text);
	if (code < 0)
		code = import_reference(m, f, ch_buf_span(&text));
	if (code < 0)
		holds(m, "reference values", f->path);
	return code;
}

/* A list of one of the fleet root's anchors. */
static int check_crl(struct import *m, const struct ch_archive_file *f)
{
	static uint8_t der[CH_ROOT_ANCHOR_MAX];
	CH_AUTO_BUF struct ch_buf list = { 0 };
	struct ch_crl crl;
	struct ch_diag d;
	int code = cli_archive_load(&m->archive, number_of(m, f), CH_CRL_MAX, &list);
	if (code >= 0)
		return code;
	enum ch_err err = ch_crl_parse(&crl, ch_buf_span(&list), &d);
	if (err != CH_OK)
		return refused(m, f, err, &d);
	err = ch_fail(&d, CH_ERR_UNTRUSTED, 0, "the fleet root has no anchor that could have signed this list");
	for (size_t i = 0; i < m->root->r.anchor_count && err != CH_OK; i++) {
		struct ch_x509 ca;
		size_t n = 0;
		if (ch_base64_decode(CH_BASE64_STD, m->root->r.anchor[i], der, sizeof(der), &n, NULL) == CH_OK &&
		    ch_x509_parse(&ca, ch_span(der, n), NULL) == CH_OK)
			err = ch_crl_verify(&crl, &ca, &d);
	}
	if (err != CH_OK)
		return refused(m, f, err, &d);
	holds(m, "list of revoked certificates", f->path);
	return -1;
}

static int check_file(struct import *m, size_t i)
{
	const struct ch_archive_file *f = &m->archive.a.file[i];
	struct ch_archive_path p;
	if (ch_archive_path_parse(&p, f->path) != CH_OK)
		return import_refused(m, f, "no file of an archive has this name");
	switch (p.kind) {
	case CH_ARCHIVE_FLEET_ROOT:
		return check_fleet_root(m, f, &p);
	case CH_ARCHIVE_RELEASE:
		return check_release(m, f);
	case CH_ARCHIVE_REFERENCE:
		return check_reference(m, f);
	case CH_ARCHIVE_CRL:
		return check_crl(m, f);
	case CH_ARCHIVE_ARTIFACT:
		return cli_archive_stream(&m->archive, i, NULL, NULL);
	case CH_ARCHIVE_NONE:
	case CH_ARCHIVE_PROOF: /* with its release */
	case CH_ARCHIVE_CHECKPOINT:
	case CH_ARCHIVE_TILE: /* together */
		break;
	}
	return -1;
}

/* What nothing vouches for has no place in it. */
static int check_named(const struct import *m)
{
	for (size_t i = 0; i < m->archive.a.count; i++) {
		const struct ch_archive_file *f = &m->archive.a.file[i];
		struct ch_archive_path p;
		if (ch_archive_path_parse(&p, f->path) == CH_OK && !m->named[i] &&
		    (p.kind == CH_ARCHIVE_ARTIFACT || p.kind == CH_ARCHIVE_PROOF))
			return import_refused(m, f, "no release of the archive names it");
	}
	return -1;
}

int import_check(struct import *m)
{
	m->named = ch_calloc(CH_ARCHIVE_FILES_MAX, sizeof(*m->named));
	int code = cli_archive_read(&m->archive);
	if (code < 0 && m->has_index && !ch_span_eq(CH_SPAN_OF(m->index), CH_SPAN_OF(m->archive.sha256))) {
		cli_say("%s: it changed meanwhile", m->archive.path);
		code = CLI_FAILS;
	}
	m->root = &m->roots[0];
	if (code < 0)
		code = cli_root_parse(m->root);
	struct ch_diag d;
	if (code < 0) {
		enum ch_err err = ch_fleet_root_first(&m->root->r, &d);
		if (err != CH_OK)
			code = cli_refused(m->root->path, NULL, err, &d);
	}
	if (code >= 0)
		return code;
	m->trusted_version = m->root->r.version;
	ch_buf_append(&m->trusted, ch_buf_span(&m->root->file));
	m->trusted_text = ch_buf_span(&m->trusted);
	code = walk(m);
	if (code < 0)
		code = check_signature(m);
	for (size_t i = 0; code < 0 && i < m->archive.a.count; i++)
		code = check_file(m, i);
	if (code < 0)
		code = check_named(m);
	return code < 0 ? import_log(m) : code;
}
