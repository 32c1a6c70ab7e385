/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CH_TESTS_CORE_BOOT_LOG_MAKER_H
#define CH_TESTS_CORE_BOOT_LOG_MAKER_H

#include "core/base/wr.h"
#include "core/boot/tcg_event.h"
#include "host/base/file.h"
#include "tests/unit.h"

/* Makes event logs in `buf`, parses them into `log_`. Logs are made here, or are our own captures. */

#define SBOFF    "tests/fixtures/sboff-good/binary_bios_measurements"
#define TWO_BANK "tests/fixtures/sboff-good-sha1sha256/binary_bios_measurements"
#define COREBOOT "tests/fixtures/coreboot-good/cbmem-tpm2-tcglog.bin"

static uint8_t buf[8192];
static struct ch_wr w;
static struct ch_tcg_log log_;
static struct ch_diag diag;
static struct ch_pcrs pcrs;

static inline enum ch_err parse(struct ch_span in)
{
	enum ch_err err = ch_tcg_log_parse(&log_, in, &diag);
	if (err == CH_OK) {
		assert_null(diag.rule);
	} else {
		assert_non_null(diag.rule);
		assert_true(diag.off <= in.n);
		assert_int_equal(log_.event_count, 0);
		assert_int_equal(log_.in.n, 0);
	}
	return err;
}

static inline enum ch_err parse_made(void)
{
	assert_false(w.bad);
	return parse(ch_wr_span(&w));
}

static inline void begin(void)
{
	w = ch_wr(buf, sizeof(buf));
}

/* --- makers --- */

static inline void fill(uint8_t byte, size_t n)
{
	while (n-- > 0)
		ch_wr_u8(&w, byte);
}

static inline void sha1_event(uint32_t pcr, uint32_t type, struct ch_span data)
{
	ch_wr_le32(&w, pcr);
	ch_wr_le32(&w, type);
	fill((uint8_t)(type == CH_EV_NO_ACTION ? 0 : 0x11), 20);
	ch_wr_le32(&w, (uint32_t)data.n);
	ch_wr_put(&w, data);
}

struct bank {
	uint16_t alg;
	uint16_t size;
};

static inline void spec_id(const struct bank *bank, size_t count, struct ch_span vendor)
{
	ch_wr_le32(&w, 0);
	ch_wr_le32(&w, CH_EV_NO_ACTION);
	fill(0, 20);
	ch_wr_le32(&w, (uint32_t)(29 + 4 * count + vendor.n));
	ch_wr_put(&w, CH_SPAN_LIT("Spec ID Event03\0"));
	ch_wr_le32(&w, 0);
	ch_wr_put(&w, CH_SPAN_LIT("\0\2\0\2"));
	ch_wr_le32(&w, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		ch_wr_le16(&w, bank[i].alg);
		ch_wr_le16(&w, bank[i].size);
	}
	ch_wr_u8(&w, (uint8_t)vendor.n);
	ch_wr_put(&w, vendor);
}

static const struct bank sha256[] = { { CH_HASH_SHA256, 32 } };
static const struct bank sha1_sha256[] = { { CH_HASH_SHA1, 20 }, { CH_HASH_SHA256, 32 } };

static inline void agile_begin(void)
{
	begin();
	spec_id(sha256, 1, CH_SPAN_EMPTY);
}

static inline void agile_event(const struct bank *bank, size_t count, uint32_t pcr, uint32_t type, struct ch_span data)
{
	ch_wr_le32(&w, pcr);
	ch_wr_le32(&w, type);
	ch_wr_le32(&w, (uint32_t)count);
	for (size_t i = 0; i < count; i++) {
		ch_wr_le16(&w, bank[i].alg);
		fill((uint8_t)(type == CH_EV_NO_ACTION ? 0 : 0x22), bank[i].size);
	}
	ch_wr_le32(&w, (uint32_t)data.n);
	ch_wr_put(&w, data);
}

static inline void event(uint32_t pcr, uint32_t type, struct ch_span data)
{
	agile_event(sha256, 1, pcr, type, data);
}

static inline void locality(uint8_t value)
{
	uint8_t data[17] = "StartupLocality";
	data[16] = value;
	event(0, CH_EV_NO_ACTION, CH_SPAN_OF(data));
}

/* H(start ‖ digest of the makers), in one bank */
static inline void assert_pcr(enum ch_hash_alg alg, uint32_t pcr, uint8_t first, uint8_t last, uint8_t digest)
{
	uint8_t message[2 * CH_DIGEST_MAX];
	size_t n = ch_hash_size(alg);
	struct ch_digest want;
	memset(message, first, n);
	message[n - 1] = last;
	memset(message + n, digest, n);
	assert_int_equal(ch_hash_once(alg, ch_span(message, 2 * n), &want), CH_OK);
	ch_tcg_replay(&log_, &pcrs);
	const struct ch_pcr_bank *bank = ch_pcrs_find(&pcrs, alg);
	assert_non_null(bank);
	assert_true((bank->touched >> pcr & 1) != 0);
	assert_span_equal(ch_pcr_value(bank, pcr), want.b, n);
}

static inline struct ch_buf load(const char *path)
{
	struct ch_buf b = { 0 };
	assert_int_equal(ch_file_read(&b, path), CH_OK);
	return b;
}

static inline size_t count_events(void)
{
	struct ch_tcg_iter it = ch_tcg_iter(&log_);
	struct ch_tcg_event ev;
	size_t n = 0;
	while (ch_tcg_next(&it, &ev)) {
		assert_int_equal(ev.n, n++);
		assert_true(ev.digest_count <= CH_TCG_BANKS_MAX);
		assert_true(ev.data_off + ev.data.n <= log_.in.n);
	}
	assert_int_equal(it.off + log_.padding, log_.in.n);
	assert_false(ch_tcg_next(&it, &ev));
	return n;
}

#endif
