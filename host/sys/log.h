/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_HOST_LOG_H
#define CH_HOST_LOG_H

/*
 * Lines for whoever runs a program: one a fact, on standard error, where systemd's journal or a terminal takes them. A line is
 *   <priority>program: text
 * with the priority (RFC 5424, 6.2.1) only if standard error is not a terminal. Controls and bytes that are no UTF-8 are escaped
 * here, so text that came from outside may stand in a line. Longer than CH_LOG_LINE_MAX it is cut.
 */
#define CH_LOG_LINE_MAX 2048

enum ch_log_level { CH_LOG_ERROR = 3, CH_LOG_WARNING = 4, CH_LOG_NOTICE = 5, CH_LOG_INFO = 6, CH_LOG_DEBUG = 7 };

/* Names the program in the lines from now on: "chainhold-edge" for "edge". Static text. INFO and above are written at first. */
void ch_log_open(const char *role);
/* Lines above this level are dropped. */
void ch_log_level(enum ch_log_level level);
void ch_log(enum ch_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
