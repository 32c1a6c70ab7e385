/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reference.h"

#include "cli/cmd.h"

static const struct cli_cmd reference[] = {
	{ "capture", "make reference values from a good boot", cmd_reference_capture },
	{ "diff", "say in words what changed between two boots", cmd_reference_diff },
};

int cmd_reference(int argc, char **argv)
{
	return cli_dispatch(
		"Reference values say what a good boot looks like. They are JSON files of a documented format that "
		"people may read and edit (chainhold-reference/1).",
		reference, CH_COUNT_OF(reference), argc, argv);
}
