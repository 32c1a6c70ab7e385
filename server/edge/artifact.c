/* SPDX-License-Identifier: Apache-2.0 */
/* Files that a reader opened: given out in pieces, so that their size costs no memory. */
#include "server/edge/edge.h"

#include "host/net/http1_range.h"

#include <errno.h>
#include <unistd.h>

#define PIECE     65536
#define TAG_MAX   90 /* 64 digits and quotes; of a part also where it begins */
#define HEAD_ROOM 1024

void artifact_end(struct conn *c)
{
	if (c->has_file)
		(void)close(c->file);
	c->has_file = false;
}

bool artifact_more(struct conn *c)
{
	if (!c->has_file || c->file_off == c->file_end)
		return false;
	size_t want = c->file_end - c->file_off < PIECE ? (size_t)(c->file_end - c->file_off) : PIECE;
	c->out.n = c->out_off = 0;
	ssize_t n = read(c->file, ch_buf_room(&c->out, want), want);
	/* The file got shorter, or cannot be read: what was promised cannot be kept, and the connection ends in the middle. */
	if (n <= 0) {
		c->file_broken = true;
		return false;
	}
	c->out.n = (size_t)n;
	c->file_off += (uint64_t)n;
	return true;
}

static void put_number(struct ch_wr *w, const char *name, uint64_t v)
{
	ch_wr_str(w, name);
	ch_wr_dec(w, v);
}

/* The head of an answer about the file; `range`: with the part of it that is sent. */
static void head_put(struct conn *c, struct ch_wr *w, unsigned status, const struct ch_msg_artifact *m, const char *tag)
{
	bool part = status == 206 || status == 416;
	ch_http_put_status(w, status);
	ch_http_put_field(w, "Cache-Control", CH_SPAN_LIT("no-store"));
	ch_http_put_field(w, "Accept-Ranges", CH_SPAN_LIT("bytes"));
	ch_http_put_field(w, "ETag", ch_span_str(tag));
	if (status == 200 || status == 206)
		ch_http_put_field(w, "Content-Type", CH_SPAN_LIT("application/octet-stream"));
	if (part) {
		ch_wr_str(w, "Content-Range: bytes ");
		if (status == 416) {
			ch_wr_str(w, "*");
		} else {
			put_number(w, "", c->file_off);
			put_number(w, "-", c->file_end - 1);
		}
		put_number(w, "/", m->size);
		ch_wr_str(w, "\r\n");
	}
	if (status != 304)
		ch_http_put_length(w, status == 200 || status == 206 ? c->file_end - c->file_off : 0);
	if (c->close || c->edge->stopping)
		ch_http_put_field(w, "Connection", CH_SPAN_LIT("close"));
	ch_http_put_end(w);
}

/* RFC 9110, 13.2.2: which status, and which bytes. */
static unsigned judge(struct conn *c, const struct ch_http_request *r, const struct ch_msg_artifact *m, const char *tag)
{
	struct ch_span value;
	c->file_off = 0;
	c->file_end = m->size;
	if (ch_http_field_get(&r->fields, "if-match", &value) && !ch_http_tag_listed(value, ch_span_str(tag), false))
		return 412;
	if (ch_http_field_get(&r->fields, "if-none-match", &value) && ch_http_tag_listed(value, ch_span_str(tag), true))
		return 304;
	if (c->head_only || (ch_http_field_get(&r->fields, "if-range", &value) && !ch_span_eq(value, ch_span_str(tag))))
		return 200;
	if (!ch_http_field_get(&r->fields, "range", &value))
		return 200;
	enum ch_err err = ch_http_range(value, m->size, &c->file_off, &c->file_end);
	return err == CH_OK ? 206 : err == CH_ERR_RANGE ? 416 : 200;
}

void artifact_send(struct conn *c, const struct ch_msg_artifact *m, int fd)
{
	struct ch_http_request r;
	char tag[TAG_MAX];
	uint8_t head[HEAD_ROOM];
	struct ch_wr t = ch_wr((uint8_t *)tag, sizeof(tag) - 1), w = ch_wr(head, sizeof(head));
	artifact_end(c);
	c->has_file = true;
	c->file_broken = false;
	c->file = fd;
	ch_wr_str(&t, "\"");
	ch_wr_hex(&t, CH_SPAN_OF(m->tag));
	if (m->offset != 0)
		put_number(&t, "-", m->offset);
	ch_wr_str(&t, "\"");
	tag[t.len] = '\0';
	if (ch_http_request_parse(&r, ch_span(c->in.p, c->head_n), NULL) != CH_OK) {
		conn_free(c);
		return;
	}
	unsigned status = judge(c, &r, m, tag);
	bool body = (status == 200 || status == 206) && !c->head_only;
	if (body && (!conn_charge(c, PIECE) || lseek(fd, (off_t)(m->offset + c->file_off), SEEK_SET) < 0)) {
		artifact_end(c);
		request_refuse(c, 503, "busy", "too much is under way; try again later");
		return;
	}
	head_put(c, &w, status, m, tag);
	if (!body)
		artifact_end(c);
	c->edge->count.requests[c->route][status / 100]++;
	ch_buf_free(&c->body);
	ch_buf_append(&c->out, ch_wr_span(&w));
	conn_send(c);
}
