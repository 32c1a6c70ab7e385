/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TESTS_PE_MAKER_H
#define CH_TESTS_PE_MAKER_H

#include "core/base/wr.h"
#include "core/update/pe.h"

/* PE32+ images, made one field at a time. What a test does not say is as a linker would have it. */

#define MADE_PE_OFF    0x40
#define MADE_TABLE_OFF (MADE_PE_OFF + 24 + 112 + 128)
#define MADE_HEADERS   0x400

struct made_section {
	const char *name;
	struct ch_span data;
	uint32_t vaddr, vsize; /* 0: the size of the data */
	uint32_t off;          /* 0: after the one before */
};

struct made {
	const struct made_section *section;
	uint16_t count;
	uint16_t subsystem; /* 0: application */
	struct ch_span certs;
	uint32_t cert_off; /* 0: the end of the file, where `certs` is put */
};

static inline void made_pad(struct ch_wr *w, size_t to)
{
	while (!w->bad && w->len < to)
		ch_wr_u8(w, 0);
}

static inline struct ch_span made_pe(uint8_t *room, size_t cap, const struct made *m)
{
	struct ch_wr w = ch_wr(room, cap);
	uint32_t off = MADE_HEADERS, end = MADE_HEADERS;
	for (size_t i = 0; i < m->count; i++)
		end += (uint32_t)(m->section[i].data.n + 511) / 512 * 512;
	ch_wr_str(&w, "MZ");
	made_pad(&w, 0x3c);
	ch_wr_le32(&w, MADE_PE_OFF);
	ch_wr_put(&w, CH_SPAN_LIT("PE\0\0"));
	ch_wr_le16(&w, 0x8664);
	ch_wr_le16(&w, m->count);
	made_pad(&w, w.len + 12);
	ch_wr_le16(&w, 112 + 128);
	ch_wr_le16(&w, 0x22);
	ch_wr_le16(&w, 0x20b);
	made_pad(&w, MADE_PE_OFF + 24 + 56);
	ch_wr_le32(&w, 0x10000000);
	ch_wr_le32(&w, MADE_HEADERS);
	ch_wr_le32(&w, 0x12345678);
	ch_wr_le16(&w, m->subsystem != 0 ? m->subsystem : CH_PE_APPLICATION);
	made_pad(&w, MADE_PE_OFF + 24 + 108);
	ch_wr_le32(&w, 16);
	made_pad(&w, w.len + 32);
	ch_wr_le32(&w, m->cert_off != 0 ? m->cert_off : m->certs.n > 0 ? end : 0);
	ch_wr_le32(&w, (uint32_t)m->certs.n);
	made_pad(&w, MADE_TABLE_OFF);
	for (size_t i = 0; i < m->count; i++) {
		const struct made_section *s = &m->section[i];
		uint32_t size = (uint32_t)(s->data.n + 511) / 512 * 512, at = w.len & UINT32_MAX;
		ch_wr_str(&w, s->name);
		made_pad(&w, at + 8);
		ch_wr_le32(&w, s->vsize != 0 ? s->vsize : (uint32_t)s->data.n);
		ch_wr_le32(&w, s->vaddr != 0 ? s->vaddr : 0x100000 * (uint32_t)(i + 1));
		ch_wr_le32(&w, size);
		ch_wr_le32(&w, s->off != 0 ? s->off : off);
		made_pad(&w, at + 36);
		ch_wr_le32(&w, 0x40000040);
		off += size;
	}
	made_pad(&w, MADE_HEADERS);
	for (size_t i = 0; i < m->count; i++) {
		ch_wr_put(&w, m->section[i].data);
		made_pad(&w, (w.len + 511) / 512 * 512);
	}
	ch_wr_put(&w, m->certs);
	return ch_wr_span(&w);
}

#endif
