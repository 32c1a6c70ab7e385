/* SPDX-License-Identifier: Apache-2.0 */
#include "core/boot/efi_devpath.h"

#include "core/base/rd.h"

/* EFI_DEVICE_PATH_PROTOCOL (UEFI 2.10, 10.3) as text. */

#define NODE_HEADER  4
#define END_INSTANCE 0x01
#define END_ENTIRE   0xff

static struct ch_efi_node take_node(struct ch_rd *r)
{
	struct ch_efi_node n = { 0 };
	n.type = ch_rd_u8(r);
	n.sub = ch_rd_u8(r);
	size_t size = ch_rd_le16(r);
	if (size < NODE_HEADER)
		r->bad = true;
	n.body = ch_rd_take(r, size - NODE_HEADER);
	return n;
}

static bool is_end(const struct ch_efi_node *n)
{
	return n->type == CH_EFI_TYPE_END;
}

/* --- whole paths --- */

enum ch_err ch_efi_devpath_check(struct ch_span path)
{
	struct ch_rd r = ch_rd(path);
	for (size_t i = 0; i < CH_DEVPATH_NODES_MAX; i++) {
		struct ch_efi_node n = take_node(&r);
		if (r.bad || (is_end(&n) && n.body.n != 0))
			return CH_ERR_MALFORMED;
		if (!is_end(&n))
			continue;
		if (n.sub == END_ENTIRE)
			return ch_rd_done(&r) ? CH_OK : CH_ERR_MALFORMED;
		if (n.sub != END_INSTANCE)
			return CH_ERR_MALFORMED;
	}
	return CH_ERR_LIMIT;
}

void ch_efi_devpath_put_nodes(struct ch_wr *w, struct ch_span nodes)
{
	struct ch_rd r = ch_rd(nodes);
	bool first = true;
	for (size_t i = 0; i < CH_DEVPATH_NODES_MAX && ch_rd_left(&r) > 0; i++) {
		struct ch_efi_node n = take_node(&r);
		if (is_end(&n)) {
			if (n.sub == END_INSTANCE)
				ch_wr_u8(w, ',');
			first = true;
			continue;
		}
		if (!first)
			ch_wr_u8(w, '/');
		ch_efi_node_put(w, &n);
		first = false;
	}
}

enum ch_err ch_efi_devpath_put(struct ch_wr *w, struct ch_span path)
{
	enum ch_err err = ch_efi_devpath_check(path);
	if (err == CH_OK)
		ch_efi_devpath_put_nodes(w, path);
	return err;
}

void ch_efi_devpath_split(struct ch_span path, struct ch_span *where, struct ch_span *file)
{
	*where = *file = CH_SPAN_EMPTY;
	if (ch_efi_devpath_check(path) != CH_OK)
		return;
	struct ch_rd r = ch_rd(path);
	size_t files = 0; /* where the last row of file path nodes starts */
	size_t end = 0;
	for (size_t i = 0; i < CH_DEVPATH_NODES_MAX; i++) {
		end = r.off;
		struct ch_efi_node n = take_node(&r);
		if (is_end(&n) && n.sub == END_ENTIRE)
			break;
		if (n.type != CH_EFI_TYPE_MEDIA || n.sub != CH_EFI_MEDIA_FILE)
			files = r.off;
	}
	*where = ch_span_sub(path, 0, files);
	*file = ch_span_sub(path, files, end - files);
}
