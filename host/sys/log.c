/* SPDX-License-Identifier: Apache-2.0 */
#include "host/sys/log.h"

#include "core/base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static const char *program = "main";
static enum ch_log_level limit = CH_LOG_INFO;
static bool to_terminal;

void ch_log_open(const char *role)
{
	program = role;
	to_terminal = isatty(STDERR_FILENO) == 1;
}

void ch_log_level(enum ch_log_level level)
{
	limit = level;
}

void ch_log(enum ch_log_level level, const char *format, ...)
{
	if (level > limit)
		return;
	char text[CH_LOG_LINE_MAX];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	size_t length = n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
	uint8_t line[CH_LOG_LINE_MAX * 4 + 64];
	struct ch_wr w = ch_wr(line, sizeof(line) - 1);
	if (!to_terminal) {
		ch_wr_u8(&w, '<');
		ch_wr_dec(&w, level);
		ch_wr_u8(&w, '>');
	}
	ch_wr_str(&w, "chainhold-");
	ch_wr_str(&w, program);
	ch_wr_str(&w, ": ");
	ch_text_escape(&w, ch_span(text, length));
	line[w.len] = '\n';
	/* A log that cannot be written is no reason to stop. */
	ssize_t written = write(STDERR_FILENO, line, w.len + 1);
	(void)written;
}
