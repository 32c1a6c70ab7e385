/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_BOOT_TCG_DECODE_H
#define CH_BOOT_TCG_DECODE_H

#include "core/boot/tcg_event.h"

/* Between the files that decode and describe events; nobody else includes it. */

#define CH_TCG_PCR_UKI 11 /* systemd-stub: sections of a unified kernel image */

/* Leaves CH_TCG_OPAQUE with `defect` and the source, and nothing else. */
void ch_tcg_defect(struct ch_tcg_what *what, const char *defect);
/* `s` without its trailing NULs. */
struct ch_span ch_tcg_strip_nul(struct ch_span s);
/* True if `s` has bytes, all of them printable ASCII. */
bool ch_tcg_is_ascii(struct ch_span s);
/* True if `s` looks like UTF-16LE text: even length, first character ASCII, nothing that does not print but NULs at the end. */
bool ch_tcg_is_utf16(struct ch_span s);
/* `s`, UTF-16LE, up to its first NUL character. */
struct ch_span ch_tcg_strip_nul16(struct ch_span s);
/* True if the UTF-16LE text is exactly this ASCII. */
bool ch_tcg_utf16_is(struct ch_span utf16, const char *ascii);

/* Events of boot loaders: EV_IPL and EV_EVENT_TAG. */
void ch_tcg_decode_ipl(const struct ch_tcg_event *ev, struct ch_tcg_what *what);
void ch_tcg_decode_tag(const struct ch_tcg_event *ev, struct ch_tcg_what *what);

/* Computes `cover` and `covered` of a decoded event. */
void ch_tcg_cover(const struct ch_tcg_event *ev, struct ch_tcg_what *what);
/* True if ch_tcg_cover would find CH_COVER_ALL or CH_COVER_PART, as asked; hashes only what decides that. */
bool ch_tcg_is_covered(const struct ch_tcg_event *ev, const struct ch_tcg_what *what, enum ch_tcg_cover how);

/* Appends what a UEFI variable says. */
void ch_tcg_describe_variable(const struct ch_tcg_event *ev, const struct ch_tcg_what *what, struct ch_wr *w);
/* Appends bytes of which only the size is known: text if they are text, else the first of them in hexadecimal. */
void ch_tcg_describe_bytes(struct ch_span s, struct ch_wr *w);

#endif
