/* SPDX-License-Identifier: Apache-2.0 */
#include "core/wire/base64.h"
#include "server/ipc/child.h"

/* Takes one line off `text`, without its LF. */
static struct ch_span take_line(struct ch_span *text)
{
	size_t n = 0;
	while (n < text->n && text->p[n] != '\n')
		n++;
	struct ch_span line = ch_span(text->p, n);
	size_t used = n < text->n ? n + 1 : n;
	*text = ch_span(text->p + used, text->n - used);
	return line;
}

struct ch_span ch_config_get(struct ch_span config, const char *key, unsigned nth)
{
	struct ch_span name = ch_span_str(key);
	while (config.n > 0) {
		struct ch_span line = take_line(&config);
		if (!ch_span_starts(line, name) || line.n <= name.n || line.p[name.n] != ' ')
			continue;
		if (nth-- == 0)
			return ch_span(line.p + name.n + 1, line.n - name.n - 1);
	}
	return CH_SPAN_EMPTY;
}

uint64_t ch_config_number(struct ch_span config, const char *key, uint64_t otherwise)
{
	struct ch_span text = ch_config_get(config, key, 0);
	uint64_t v = 0;
	if (text.n == 0 || text.n > 19)
		return otherwise;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return otherwise;
		v = v * 10 + (uint64_t)(text.p[i] - '0');
	}
	return v;
}

enum ch_err ch_config_bytes(struct ch_span config, const char *key, unsigned nth, struct ch_buf *to)
{
	struct ch_span text = ch_config_get(config, key, nth);
	if (text.n == 0)
		return CH_ERR_NOTFOUND;
	size_t cap = ch_base64_decoded_max(text.n), n;
	uint8_t *room = ch_buf_room(to, cap);
	enum ch_err err = ch_base64_decode(CH_BASE64_STD, text, room, cap, &n, NULL);
	to->n += n;
	return err;
}
