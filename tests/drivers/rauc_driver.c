/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/apply/rauc.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * rauc_driver ADDRESS VERB …: drives RAUC as chainhold-agent-apply does, and says what it heard, a fact a line.
 *   system | slots | good | install PATH COMPATIBLE
 */

static struct ag_rauc r;

static int say(enum ch_err err)
{
	if (err == CH_OK)
		return EXIT_SUCCESS;
	printf("error: %s\n", r.error);
	return EXIT_FAILURE;
}

static int show_system(void)
{
	struct ag_rauc_system s;
	enum ch_err err = ag_rauc_system(&r, &s);
	if (err == CH_OK)
		printf("compatible %s\nboot-slot %s\noperation %s\n", s.compatible, s.boot_slot, s.operation);
	return say(err);
}

static int show_slots(void)
{
	static struct ag_rauc_slot slot[AG_RAUC_SLOTS_MAX];
	size_t count;
	enum ch_err err = ag_rauc_slots(&r, slot, &count);
	for (size_t i = 0; i < count; i++)
		printf("%s %s %s %s %s %s\n", slot[i].name, slot[i].bootname, slot[i].state, slot[i].boot_status,
		       slot[i].sha256, slot[i].version);
	return say(err);
}

static int install(const char *path, const char *compatible)
{
	static const char *const name[] = { "idle", "reading", "writing", "done", "failed" };
	enum ch_err err = ag_rauc_install(&r, path, compatible);
	if (err != CH_OK)
		return say(err);
	enum ag_rauc_step before = AG_RAUC_IDLE;
	int percent = -1;
	while (r.step == AG_RAUC_READING || r.step == AG_RAUC_WRITING) {
		if (r.step != before)
			printf("%s\n", name[r.step]);
		if (r.percent != percent)
			printf("%d %s\n", r.percent, r.doing);
		(void)fflush(stdout);
		before = r.step;
		percent = r.percent;
		(void)poll(&(struct pollfd){ .fd = ag_rauc_fd(&r), .events = POLLIN }, 1, -1);
		ag_rauc_turn(&r);
	}
	printf("%s%s\n", name[r.step], r.lost ? ", lost" : "");
	return say(r.step == AG_RAUC_DONE ? CH_OK : CH_ERR_IO);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	if (ag_rauc_open(&r, argv[1]) != CH_OK)
		return say(CH_ERR_IO);
	int code = strcmp(argv[2], "system") == 0                 ? show_system()
		   : strcmp(argv[2], "slots") == 0                ? show_slots()
		   : strcmp(argv[2], "good") == 0                 ? say(ag_rauc_mark_good(&r))
		   : strcmp(argv[2], "install") == 0 && argc == 5 ? install(argv[3], argv[4])
								  : 2;
	ag_rauc_close(&r);
	return code;
}
