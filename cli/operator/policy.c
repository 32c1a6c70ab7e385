/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/operator/client.h"
#include "cli/operator/op.h"
#include "cli/policy_check.h"

#include "core/wire/base64.h"
#include "host/policy/class.h"

#include <string.h>

/* --- apply --- */

static int apply(const char *path, const struct op_act *asked)
{
	struct op_act a = *asked;
	char line[1024], class[CH_NAME_MAX + 1];
	struct ch_class_image image;
	struct ch_yaml_error e;
	struct ch_policy p;
	CH_AUTO_BUF struct ch_buf text = { 0 };
	OP_AUTO_CLIENT struct op_client c = { 0 };
	int code = cli_read(&text, path);
	if (code >= 0)
		return code;
	if (ch_class_read(&image, ch_buf_span(&text), &e) != CH_OK ||
	    ch_policy_parse(&p, ch_span(image.bytes, image.n), NULL) != CH_OK) {
		ch_conf_error_put(line, sizeof(line), path, &e);
		cli_say("%s", line);
		return CLI_FAILS;
	}
	class[ch_span_copy(class, sizeof(class) - 1, p.class)] = '\0';
	a.subject = class;
	a.payload = ch_span(image.bytes, image.n);
	code = op_client_open(&c);
	return code < 0 ? op_act(&c, &a, NULL) : code;
}

static int cmd_apply(int argc, char **argv)
{
	struct op_act a = { .verb = CH_VERB_POLICY_APPLY };
	const char *path = "";
	const struct cli_opt opt[] = {
		{ "reason", "TEXT", "why: it is signed and logged", CLI_VALUE, &a.reason },
		{ "json", NULL, "print the answer as the server sent it", CLI_FLAG, &a.json },
	};
	const struct cli_usage u = {
		.args = "--reason TEXT [--json] FILE",
		.about = "Checks a policy file, signs what it says and puts it in force for its class.",
		.opt = opt,
		.opt_count = CH_COUNT_OF(opt),
		.file = &path,
		.file_min = 1,
		.file_max = 1
	};
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	if (a.reason == NULL)
		a.reason = "";
	return apply(path, &a);
}

/* --- show --- */

static int show(const struct op_doc *d, const char *class)
{
	char name[CH_NAME_MAX + 1], text[512];
	uint8_t image[CH_POLICY_IMAGE_MAX + 8];
	size_t n = 0, found = 0;
	struct ch_policy p;
	struct ch_wr *w = cli_out();
	size_t list = op_at(d, 0, "classes");
	for (size_t i = ch_json_first(&d->j, list); i != CH_JSON_NONE; i = ch_json_next(&d->j, list, i)) {
		(void)op_text(d, i, "class", name, sizeof(name));
		if (class != NULL && strcmp(class, name) != 0)
			continue;
		(void)op_text(d, i, "image", text, sizeof(text));
		if (ch_base64_decode(CH_BASE64_URL, ch_span_str(text), image, sizeof(image), &n, NULL) != CH_OK ||
		    ch_policy_parse(&p, ch_span(image, n), NULL) != CH_OK) {
			cli_say("the policy of '%s' is of a version that this program does not know", name);
			return CLI_UNSUPPORTED;
		}
		ch_wr_str(w, found++ > 0 ? "---\n" : "");
		ch_class_put(w, &p);
	}
	if (found > 0 || class == NULL)
		return cli_out_end(CLI_HOLDS);
	cli_say("there is no class '%s'", class);
	return CLI_FAILS;
}

static int cmd_show(int argc, char **argv)
{
	bool json = false;
	const char *class = NULL;
	const struct cli_opt opt[] = { { "json", NULL, "print the document as the server sent it", CLI_FLAG, &json } };
	const struct cli_usage u = { .args = "[--json] [CLASS]",
				     .about = "Shows the policies in force, as files that policy apply takes.",
				     .opt = opt,
				     .opt_count = CH_COUNT_OF(opt),
				     .file = &class,
				     .file_max = 1 };
	int code = cli_parse(&u, argc, argv, NULL);
	if (code >= 0)
		return code;
	OP_AUTO_CLIENT struct op_client c = { 0 };
	OP_AUTO_DOC struct op_doc d = { 0 };
	code = op_client_open(&c);
	if (code < 0)
		code = op_get(&c, "/api/v1/classes", &d);
	if (code >= 0)
		return code;
	return json ? op_print_json(&d) : show(&d, class);
}

static const struct cli_cmd policy_command[] = {
	{ "check", "check policy files", cmd_policy_check },
	{ "apply", "put a policy in force", cmd_apply },
	{ "show", "show the policies in force", cmd_show },
};

int cmd_policy(int argc, char **argv)
{
	return cli_dispatch("Policies: what a class of devices requires, and what a broken link triggers.",
			    policy_command, CH_COUNT_OF(policy_command), argc, argv);
}
