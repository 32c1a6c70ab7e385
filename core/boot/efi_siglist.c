/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/rd.h"
#include "core/boot/efi.h"

#include <string.h>

/* EFI_SIGNATURE_LIST and EFI_SIGNATURE_DATA (UEFI 2.10, 32.4.1). */

#define LIST_HEADER 28
#define OWNER_SIZE  16
#define SHA256_SIZE (OWNER_SIZE + 32)

/* The header of the list at `it->off`; on success the iterator stands at the list's first entry, and `off` at the next list. */
static enum ch_err enter_list(struct ch_efi_siglist_iter *it, struct ch_diag *d)
{
	struct ch_rd r = { .in = it->in, .off = it->off, .bad = false };
	struct ch_span type = ch_rd_take(&r, sizeof(it->type.b));
	size_t size = ch_rd_le32(&r);
	size_t header = ch_rd_le32(&r);
	size_t each = ch_rd_le32(&r);
	if (r.bad)
		return ch_fail(d, CH_ERR_TRUNCATED, it->off,
			       "EFI_SIGNATURE_LIST runs past the end of the database (UEFI 2.10, 32.4.1)");
	if (size < LIST_HEADER || size > it->in.n - it->off)
		return ch_fail(d, CH_ERR_RANGE, it->off + 16,
			       "SignatureListSize does not fit into the database (UEFI 2.10, 32.4.1)");
	if (header > size - LIST_HEADER)
		return ch_fail(d, CH_ERR_RANGE, it->off + 20,
			       "SignatureHeaderSize does not fit into its list (UEFI 2.10, 32.4.1)");
	if (each <= OWNER_SIZE || (size - LIST_HEADER - header) % each != 0)
		return ch_fail(d, CH_ERR_RANGE, it->off + 24,
			       "SignatureSize does not divide its list (UEFI 2.10, 32.4.1)");
	if (ch_span_eq(type, CH_SPAN_OF(ch_efi_cert_sha256.b)) && each != SHA256_SIZE)
		return ch_fail(d, CH_ERR_RANGE, it->off + 24,
			       "SignatureSize of EFI_CERT_SHA256_GUID is not 48 (UEFI 2.10, 32.4.1)");
	ch_span_copy(it->type.b, sizeof(it->type.b), type);
	it->sig_off = it->off + LIST_HEADER + header;
	it->sig_size = each;
	it->off += size;
	it->list_end = it->off;
	return CH_OK;
}

/* CH_OK with an entry in `sig`; CH_ERR_NOTFOUND at the end; any other error is a broken format. */
static enum ch_err next_sig(struct ch_efi_siglist_iter *it, struct ch_efi_sig *sig, struct ch_diag *d)
{
	/* A list may be empty: firmware keeps one in a dbx without entries. */
	for (size_t lists = 0; it->sig_off >= it->list_end; lists++) {
		if (it->off == it->in.n)
			return CH_ERR_NOTFOUND;
		if (lists == CH_SIGLIST_MAX)
			return ch_fail(d, CH_ERR_LIMIT, it->off, "more than 4096 signature lists without an entry");
		enum ch_err err = enter_list(it, d);
		if (err != CH_OK) {
			it->off = it->in.n;
			it->list_end = it->sig_off = 0;
			return err;
		}
	}
	memset(sig, 0, sizeof(*sig));
	sig->type = it->type;
	sig->off = it->sig_off;
	ch_span_copy(sig->owner.b, OWNER_SIZE, ch_span_sub(it->in, it->sig_off, OWNER_SIZE));
	sig->data = ch_span_sub(it->in, it->sig_off + OWNER_SIZE, it->sig_size - OWNER_SIZE);
	it->sig_off += it->sig_size;
	return CH_OK;
}

enum ch_err ch_efi_siglist_check(struct ch_span in, struct ch_diag *d)
{
	struct ch_efi_siglist_iter it = ch_efi_siglist_iter(in);
	struct ch_efi_sig sig;
	ch_diag_clear(d);
	for (size_t n = 0;; n++) {
		enum ch_err err = next_sig(&it, &sig, d);
		if (err != CH_OK)
			return err == CH_ERR_NOTFOUND ? CH_OK : err;
		if (n == CH_SIGLIST_MAX)
			return ch_fail(d, CH_ERR_LIMIT, sig.off, "more than 4096 entries in a signature database");
	}
}

struct ch_efi_siglist_iter ch_efi_siglist_iter(struct ch_span in)
{
	return (struct ch_efi_siglist_iter){ .in = in };
}

bool ch_efi_siglist_next(struct ch_efi_siglist_iter *it, struct ch_efi_sig *sig)
{
	return next_sig(it, sig, NULL) == CH_OK;
}
