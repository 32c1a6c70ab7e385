/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/client.h"
#include "cli/operator/op.h"

#include "core/base/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* chainhold update: which device is offered which release, and how that stands. */

struct assign {
	const char *release;
	bool forced;
	struct op_act act;
};

static int assign(const struct assign *s, const char *device)
{
	uint8_t text[CH_UPDATE_ASSIGN_MAX], sha256[32];
	struct ch_wr w = ch_wr(text, sizeof(text));
	char id[33];
	struct op_act a = s->act;
	OP_AUTO_CLIENT struct op_client c = { 0 };
	if (s->release == NULL || ch_hex_decode(sha256, sizeof(sha256), ch_span_str(s->release)) != CH_OK) {
		cli_say("name the release by its SHA-256 with --release: chainhold release list");
		return CLI_USAGE;
	}
	ch_update_assign_put(&w, sha256, s->forced);
	int code = op_client_open(&c);
	if (code < 0)
		code = op_find_device(&c, device, id);
	if (code >= 0)
		return code;
	a.subject = id;
	a.payload = ch_wr_span(&w);
	return op_act(&c, &a, NULL);
}

static int cmd_update_assign(int argc, char **argv)
{
	struct assign s = { .act = { .verb = CH_VERB_UPDATE_ASSIGN } };
	const char *device = "";
	const struct cli_opt opt[] = {
		{ "release", "SHA256", "the release: chainhold release list", CLI_VALUE, &s.release },
		{ "forced", NULL, "the device is not to wait for a better moment", CLI_FLAG, &s.forced },
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &s.act.reason },
		{ "json", NULL, "print the answer as the server sent it", CLI_FLAG, &s.act.json },
	};
	const struct cli_usage u = {
		.args = "--release SHA256 --reason TEXT [--forced] [--json] DEVICE",
		.about = "Offers a release to a device, in the place of what was offered to it before.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &device,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (s.act.reason == NULL)
		s.act.reason = "";
	return code < 0 ? assign(&s, device) : code;
}

static int cmd_update_cancel(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_UPDATE_CANCEL };
	const char *device = "";
	char id[33];
	OP_AUTO_CLIENT struct op_client c = { 0 };
	const struct cli_opt opt[] = {
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &a.reason },
		{ "json", NULL, "print the answer as the server sent it", CLI_FLAG, &a.json },
	};
	const struct cli_usage u = {
		.args = "--reason TEXT [--json] DEVICE",
		.about = "Takes back what is offered to a device, as far as it is not proven yet.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &device,
		.file_min = 1,
		.file_max = 1,
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (a.reason == NULL)
		a.reason = "";
	if (code < 0)
		code = op_client_open(&c);
	if (code < 0)
		code = op_find_device(&c, device, id);
	a.subject = id;
	return code < 0 ? op_act(&c, &a, NULL) : code;
}

/* --- list --- */

/* The state, and what the device says to it: that it has installed, or of a cancellation. */
static void state_cell(struct op_table *t, const struct op_doc *d, size_t deployment)
{
	char text[64], state[32], said[32];
	(void)op_text(d, deployment, "state", state, sizeof(state));
	(void)op_text(d, deployment, "cancellation", said, sizeof(said));
	if (strcmp(state, "installed") == 0)
		(void)snprintf(said, sizeof(said), "claimed");
	else if (strcmp(said, "none") == 0 || strcmp(said, "asked") == 0)
		said[0] = '\0';
	(void)snprintf(text, sizeof(text), said[0] != '\0' ? "%s (%s)" : "%s%s", state, said);
	op_cell(t, text);
}

static int list_page(const struct op_doc *d)
{
	struct op_table t = { .columns = 6, .head = { "NUMBER", "DEVICE", "RELEASE", "STATE", "SINCE", "WHY" } };
	uint64_t now = (uint64_t)time(NULL);
	size_t list = op_at(d, 0, "deployments");
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		char text[1100], name[72], version[72];
		op_cell(&t, op_text(d, i, "deployment", text, sizeof(text)));
		(void)op_text(d, i, "hostname", text, sizeof(text));
		op_cell(&t, text[0] != '\0' ? text : op_text(d, i, "device", text, sizeof(text)));
		(void)snprintf(text, sizeof(text), "%s %s", op_text(d, i, "name", name, sizeof(name)),
			       op_text(d, i, "version", version, sizeof(version)));
		op_cell(&t, text);
		state_cell(&t, d, i);
		struct ch_wr w = ch_wr(text, sizeof(text) - 1);
		op_ago_put(&w, op_number(d, i, "changed"), now);
		text[w.len] = '\0';
		op_cell(&t, text);
		op_cell(&t, op_text(d, i, "reason", text, sizeof(text)));
	}
	op_table_end(&t, cli_out());
	return cli_out_end(CLI_HOLDS);
}

struct list {
	const char *device, *state;
	bool json;
};

static int list(const struct list *l)
{
	char target[160], id[33] = "";
	OP_AUTO_CLIENT struct op_client c = { 0 };
	OP_AUTO_DOC struct op_doc d = { 0 };
	if (l->state != NULL && strspn(l->state, "abcdefghijklmnopqrstuvwxyz-") != strlen(l->state)) {
		cli_say("'%s' is no state of a deployment", l->state);
		return CLI_USAGE;
	}
	int code = op_client_open(&c);
	if (code < 0 && l->device != NULL)
		code = op_find_device(&c, l->device, id);
	if (code >= 0)
		return code;
	(void)snprintf(target, sizeof(target), "/api/v1/deployments?limit=500%s%s%s%.32s",
		       id[0] != '\0' ? "&device=" : "", id, l->state != NULL ? "&state=" : "",
		       l->state != NULL ? l->state : "");
	code = op_get(&c, target, &d);
	if (code >= 0)
		return code;
	return l->json ? op_print_json(&d) : list_page(&d);
}

static int cmd_update_list(int argc, char **argv)
{
	struct list l = { 0 };
	const struct cli_opt opt[] = {
		{ "device", "DEVICE", "of this device only", CLI_VALUE, &l.device },
		{ "state", "STATE", "in this state only", CLI_VALUE, &l.state },
		{ "json", NULL, "print the document as the server sent it", CLI_FLAG, &l.json },
	};
	const struct cli_usage u = { .args = "[--device DEVICE] [--state STATE] [--json]",
				     .about =
					     "Lists what was offered to devices and how that stands, the newest first.",
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt) };
	int code = cli_parse(&u, argc, argv, NULL);
	return code < 0 ? list(&l) : code;
}

static const struct cli_cmd update_command[] = {
	{ "assign", "offer a release to a device", cmd_update_assign },
	{ "cancel", "take back what is offered to a device", cmd_update_cancel },
	{ "list", "what was offered, and how it stands", cmd_update_list },
};

int cmd_update(int argc, char **argv)
{
	return cli_dispatch("Updates: which device is offered which release; proven by its evidence, not by its word.",
			    update_command, CH_COUNT_OF(update_command), argc, argv);
}
