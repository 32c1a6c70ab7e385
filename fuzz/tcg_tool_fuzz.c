/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "core/boot/tcg_event.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Against tpm2_eventlog: where both accept a log they have as many events, and the same registers. Version 5.4 extends
 * EV_NO_ACTION records, too, and knows no start value of PCR 0 (docs/protocol/tcg-event-log.md): that replay is made here as well.
 */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern char **environ;

#define CHECK(c)                 \
	do {                     \
		if (!(c))        \
			abort(); \
	} while (0)

static char listing[1 << 21];

/* Reads what the tool prints; false if it says anything but "this is a log", or too much. */
static bool tool_lists(const uint8_t *data, size_t size)
{
	char path[32];
	int fd = memfd_create("log", 0);
	int ends[2];
	pid_t pid;
	posix_spawn_file_actions_t actions;
	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size && pipe2(ends, O_CLOEXEC) == 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	char program[] = "tpm2_eventlog";
	char *const argv[] = { program, path, NULL };
	CHECK(posix_spawn_file_actions_init(&actions) == 0 &&
	      posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) == 0 &&
	      posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0) == 0);
	CHECK(posix_spawnp(&pid, program, &actions, NULL, argv, environ) == 0);
	CHECK(posix_spawn_file_actions_destroy(&actions) == 0 && close(ends[1]) == 0);
	size_t n = 0;
	ssize_t got;
	while (n < sizeof(listing) - 1 && (got = read(ends[0], listing + n, sizeof(listing) - 1 - n)) > 0)
		n += (size_t)got;
	listing[n] = '\0';
	CHECK(close(ends[0]) == 0 && close(fd) == 0);
	int status;
	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 && n < sizeof(listing) - 1;
}

/* At least: text of an event can look like one. */
static size_t tool_events(void)
{
	size_t count = 0;
	for (const char *p = listing; (p = strstr(p, "\n  PCRIndex: ")) != NULL; p++)
		count++;
	return count;
}

/* "    7  : 0x…" below "  sha256:" below the last "pcrs:". Banks that are not computed here are left out. */
static void tool_registers(struct ch_pcrs *pcrs)
{
	const char *at = NULL;
	struct ch_pcr_bank *bank = NULL;
	ch_pcrs_init(pcrs);
	for (const char *p = listing; (p = strstr(p, "\npcrs:\n")) != NULL; p++)
		at = p + sizeof("\npcrs:\n") - 1;
	for (; at != NULL && *at != '\0'; at = strchr(at, '\n') != NULL ? strchr(at, '\n') + 1 : NULL) {
		char name[16];
		char hex[2 * CH_DIGEST_MAX + 1];
		unsigned pcr;
		if (sscanf(at, "  %15[a-z0-9_]:", name) == 1 && at[2] != ' ') {
			enum ch_hash_alg alg = ch_hash_by_name(ch_span_str(name));
			bank = alg != CH_HASH_NONE ? ch_pcrs_add(pcrs, alg) : NULL;
		} else if (bank != NULL && sscanf(at, "    %u : 0x%128[0-9a-fA-F]", &pcr, hex) == 2) {
			if (pcr >= CH_PCR_COUNT)
				continue;
			CHECK(ch_hex_decode(bank->value[pcr], bank->size, ch_span_str(hex)) == CH_OK);
			bank->touched |= (uint32_t)1 << pcr;
		}
	}
}

/* True if the two replays are not the same: only then is the second one taken. */
static bool replay_as_tool(const struct ch_tcg_log *log, struct ch_pcrs *pcrs)
{
	struct ch_tcg_event ev;
	bool differs = log->startup_locality != 0;
	ch_pcrs_init(pcrs);
	for (struct ch_tcg_iter it = ch_tcg_iter(log); ch_tcg_next(&it, &ev);) {
		if (ev.n == 0 && ev.type == CH_EV_NO_ACTION)
			continue;
		differs |= !ev.extended;
		for (size_t i = 0; i < ev.digest_count; i++) {
			bool fresh = ch_pcrs_find(pcrs, ev.digest[i].alg) == NULL;
			struct ch_pcr_bank *bank = ch_pcrs_add(pcrs, ev.digest[i].alg);
			if (bank != NULL && fresh)
				memset(bank->value, 0, sizeof(bank->value));
			if (bank != NULL)
				(void)ch_pcr_bank_extend(bank, ev.pcr, ev.digest[i].value);
			/* A register that does not exist: it extends none, and lists the one that the low five bits name (24 to 31, too). */
			if (bank != NULL && ev.pcr >= CH_PCR_COUNT && ev.pcr % 32 < CH_PCR_COUNT)
				bank->touched |= (uint32_t)1 << ev.pcr % 32;
		}
	}
	return differs;
}

/* Every register that `a` extended is the same in `b`. */
static bool within(const struct ch_pcrs *a, const struct ch_pcrs *b)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct ch_pcr_bank *one = &a->bank[i];
		const struct ch_pcr_bank *other = ch_pcrs_find(b, one->alg);
		for (uint32_t pcr = 0; one->touched != 0 && pcr < CH_PCR_COUNT; pcr++) {
			if ((one->touched >> pcr & 1) == 0)
				continue;
			if (other == NULL || (other->touched >> pcr & 1) == 0 ||
			    !ch_span_eq(ch_pcr_value(one, pcr), ch_pcr_value(other, pcr)))
				return false;
		}
	}
	return true;
}

static bool same(const struct ch_pcrs *a, const struct ch_pcrs *b)
{
	return within(a, b) && within(b, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ch_tcg_log log;
	static struct ch_pcrs ours, theirs, like_theirs;
	/* What we refuse, the tool may accept; coreboot's padding is records to it. */
	if (ch_tcg_log_parse(&log, ch_span(data, size), NULL) != CH_OK ||
	    (log.format != CH_TCG_AGILE && log.format != CH_TCG_SHA1) || !tool_lists(data, size))
		return 0;
	CHECK(tool_events() >= log.event_count);
	tool_registers(&theirs);
	ch_tcg_replay(&log, &ours);
	bool differs = replay_as_tool(&log, &like_theirs);
	CHECK(same(differs ? &like_theirs : &ours, &theirs));
	return 0;
}
