/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/collect/logs.h"
#include "core/crypto/hash.h"
#include "tests/unit.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static FILE *file;
static uint8_t content[50000];

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)(i * 7 + i / 256);
	file = tmpfile();
	return file == NULL || fwrite(content, 1, sizeof(content), file) != sizeof(content) || fflush(file) != 0;
}

static int teardown(void **state)
{
	(void)state;
	return fclose(file);
}

static struct ag_log_have have(size_t n)
{
	struct ag_log_have h = { .size = n };
	struct ch_digest d;
	assert_int_equal(ch_hash_once(CH_HASH_SHA256, ch_span(content, n), &d), CH_OK);
	(void)ch_span_copy(h.sha256, sizeof(h.sha256), ch_digest_span(&d));
	return h;
}

static void assert_tail(const struct ag_log_have *h, size_t from)
{
	struct ag_log_tail t;
	struct ag_log_have all = have(sizeof(content));
	assert_int_equal(ag_log_read(&t, fileno(file), h, 1 << 20), CH_OK);
	assert_int_equal(t.from, from);
	assert_int_equal(t.data.n, sizeof(content) - from);
	if (t.data.n > 0)
		assert_memory_equal(t.data.p, content + from, t.data.n);
	assert_int_equal(t.all.size, sizeof(content));
	assert_memory_equal(t.all.sha256, all.sha256, AG_DIGEST);
	ch_buf_free(&t.data);
}

static void only_the_tail_is_read(void **state)
{
	(void)state;
	static const size_t known[] = { 0, 1, 16383, 16384, 16385, 32768, 49999, 50000 };
	for (size_t i = 0; i < CH_COUNT_OF(known); i++) {
		struct ag_log_have h = have(known[i]);
		assert_tail(&h, known[i]);
	}
}

static void another_log_is_read_from_its_beginning(void **state)
{
	(void)state;
	struct ag_log_have h = have(20000);
	h.sha256[3] ^= 1;
	assert_tail(&h, 0);
	h = have(20000);
	h.size = 20001;
	assert_tail(&h, 0);
	h.size = sizeof(content) + 1;
	assert_tail(&h, 0);
	h.size = UINT64_MAX;
	assert_tail(&h, 0);
}

static void it_is_bounded(void **state)
{
	(void)state;
	struct ag_log_tail t;
	struct ag_log_have none = { .size = 0 };
	assert_int_equal(ag_log_read(&t, fileno(file), &none, sizeof(content) - 1), CH_ERR_LIMIT);
	assert_null(t.data.p);
	assert_int_equal(ag_log_read(&t, fileno(file), &none, sizeof(content)), CH_OK);
	ch_buf_free(&t.data);
}

static void no_log_is_an_empty_one(void **state)
{
	(void)state;
	struct ag_log_tail t;
	struct ag_log_have h = have(3);
	assert_int_equal(ag_log_read(&t, -1, &h, 10), CH_OK);
	assert_int_equal(t.from, 0);
	assert_int_equal(t.data.n, 0);
	int closed = dup(fileno(file));
	(void)close(closed);
	assert_int_equal(ag_log_read(&t, closed, &h, 10), CH_ERR_IO);
	assert_int_equal(errno, EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_tail_is_read),
		cmocka_unit_test(another_log_is_read_from_its_beginning),
		cmocka_unit_test(it_is_bounded),
		cmocka_unit_test(no_log_is_an_empty_one),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
