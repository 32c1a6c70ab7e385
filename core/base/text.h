/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BASE_TEXT_H
#define CH_BASE_TEXT_H

#include "core/base/err.h"
#include "core/base/rd.h"
#include "core/base/wr.h"

/* Text that came from outside never reaches a terminal, a log or a document unescaped: these are the ways in. */

/*
 * Decodes one UTF-8 sequence at the start of `s` (RFC 3629: no surrogates, no overlong forms, at most U+10FFFF).
 * Returns its length in bytes, 0 if there is no valid sequence. `code` is written on success.
 */
size_t ch_utf8_decode(struct ch_span s, uint32_t *code);
bool ch_utf8_valid(struct ch_span s);
/* Appends a code point as UTF-8; a surrogate or a value past U+10FFFF becomes U+FFFD. */
void ch_utf8_put(struct ch_wr *w, uint32_t code);

/*
 * False for a character that would move, reorder or hide what a person reads: controls, C1, line and paragraph separators, bidi,
 * zero width, tags, noncharacters.
 */
bool ch_text_shown(uint32_t code);

/*
 * Appends `s` for a person's eye: printable UTF-8 stays, everything else (controls, C1, bidi overrides, invalid bytes, the
 * backslash itself) becomes \xNN or \u{N}. The result is valid UTF-8 without controls.
 */
void ch_text_escape(struct ch_wr *w, struct ch_span s);

/* Appends UTF-16LE text as UTF-8. Unpaired surrogates become U+FFFD; an odd last byte is dropped. Stops at a NUL character. */
void ch_utf16le_put(struct ch_wr *w, struct ch_span s);
/* The same, escaped as by ch_text_escape. */
void ch_utf16le_escape(struct ch_wr *w, struct ch_span s);
/* Takes one UTF-16LE character; an unpaired surrogate is U+FFFD. With fewer than 2 bytes left `r` becomes bad. */
uint32_t ch_utf16le_next(struct ch_rd *r);

/* Decodes hexadecimal digits of either case into `to`; `n` is the number of bytes that must come out. */
CH_MUST_USE enum ch_err ch_hex_decode(uint8_t *to, size_t n, struct ch_span hex);

#endif
