/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/apply/apply.h"

#include "core/update/release_proof.h"

/*
 * Whether a release may be installed here: signed as the fleet root asks, for this class, not expired, not below the floor, in a log
 * that the fleet root names; and there is an artefact that the RAUC of this system takes.
 */

_Static_assert(CH_RELEASE_PROOF_MAX <= AG_PROOF_MAX, "what a server may give fits into a message");

struct judged {
	struct ch_release release;
	struct ch_release_proof proof;
	struct ch_diag d;
};

static const char *rule_of(const struct ch_diag *d, const char *otherwise)
{
	return d->rule != NULL ? d->rule : otherwise;
}

static const char *judge_artifact(const struct ch_release *r, const char *compatible, struct ag_record_update *u)
{
	for (size_t i = 0; i < r->artifact_count; i++) {
		const struct ch_artifact *f = &r->artifact[i];
		if (f->kind != CH_ARTIFACT_RAUC || !ch_span_eq(f->compatible, ch_span_str(compatible)))
			continue;
		u->size = f->file.size;
		(void)ch_span_copy(u->sha256, AG_DIGEST, CH_SPAN_OF(f->file.sha256));
		return ag_name_set(&u->compatible, f->compatible) ? NULL : "the name of its system is too long";
	}
	return "it has no bundle for this system's RAUC";
}

static const char *judge_document(struct judged *j, struct ch_span document, struct ag_record_update *u)
{
	CH_AUTO_FREE struct ch_json_node *node = ch_calloc(CH_RELEASE_NODES_MAX, sizeof(*node));
	if (ch_release_parse(&j->release, document, node, CH_RELEASE_NODES_MAX, &j->d) != CH_OK)
		return rule_of(&j->d, "the release is not readable");
	if (!ag_name_set(&u->name, j->release.name) || !ag_name_set(&u->version, j->release.version))
		return "its name or its version is too long";
	u->sequence = j->release.sequence;
	u->floor = j->release.floor;
	u->provable = j->release.reference.n > 0;
	return NULL;
}

static const char *judge_log(const struct apply *a, struct judged *j, struct ch_span proof,
			     const struct ag_record_update *u)
{
	struct ch_checkpoint head;
	if (ch_release_proof_parse(&j->proof, proof, &j->d) != CH_OK ||
	    ch_release_proof_check(&j->proof, &j->release, u->release, a->root.r.log, a->root.r.log_count, &head,
				   &j->d) != CH_OK)
		return rule_of(&j->d, "the release is not in the log");
	return NULL;
}

void apply_judge(struct apply *a, const struct ag_update_offer *m, const char *compatible, struct apply_verdict *v)
{
	CH_AUTO_FREE struct judged *j = ch_calloc(1, sizeof(*j));
	struct ch_digest d;
	*v = (struct apply_verdict){ .refusal = "its digest cannot be computed" };
	if (ch_hash_once(CH_HASH_SHA256, m->document, &d) != CH_OK)
		return;
	(void)ch_span_copy(v->u.release, AG_DIGEST, ch_digest_span(&d));
	const char *why = judge_document(j, m->document, &v->u);
	if (why == NULL && ch_release_check(&j->release, &a->root.r, ag_name_span(&a->u.class_name),
					    apply_state_floor(a, j->release.name), a->u.time, &j->d) != CH_OK)
		why = rule_of(&j->d, "the release does not hold");
	if (why == NULL)
		why = judge_log(a, j, m->proof, &v->u);
	if (why == NULL && !apply_state_has_room(a, j->release.name))
		why = "this device has had releases of too many names";
	if (why == NULL)
		why = judge_artifact(&j->release, compatible, &v->u);
	v->issued = why == NULL ? j->release.issued : 0;
	v->refusal = why; /* rules are static texts */
}
