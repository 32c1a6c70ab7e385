/* SPDX-License-Identifier: Apache-2.0 */
#include "server/signer/tree.h"

#include "host/base/file.h"
#include "tests/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define ORIGIN "log.test/signer"

static char dir[64];
static struct ch_buf key_pem;

static void open_key(struct ch_sign_key *k)
{
	assert_int_equal(ch_sign_key_from_pem(k, ch_buf_span(&key_pem)), CH_OK);
}

static enum ch_err open_tree(struct ch_signer_tree *t, bool *made)
{
	struct ch_sign_key key;
	open_key(&key);
	enum ch_err err = ch_signer_tree_open(t, dir, CH_SPAN_LIT(ORIGIN), &key, made);
	ch_sign_key_clear(&key);
	return err;
}

static int setup(void **state)
{
	struct ch_sign_key key;
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/chainhold-tree-XXXXXX");
	assert_non_null(mkdtemp(dir));
	key_pem = (struct ch_buf){ 0 };
	assert_int_equal(ch_sign_key_make(&key, CH_KEY_ED25519), CH_OK);
	assert_int_equal(ch_sign_key_pem(&key, &key_pem), CH_OK);
	ch_sign_key_clear(&key);
	return 0;
}

static void path_of(char path[static 128], const char *name)
{
	(void)snprintf(path, 128, "%s/%s", dir, name);
}

static int teardown(void **state)
{
	char path[128];
	(void)state;
	path_of(path, CH_SIGNER_TREE_FILE);
	(void)unlink(path);
	path_of(path, CH_SIGNER_TREE_FILE ".new");
	(void)unlink(path);
	ch_buf_free(&key_pem);
	return rmdir(dir);
}

static uint8_t room[CH_IPC_CERT_MAX];

static struct ch_msg_checkpoint append(struct ch_signer_tree *t, uint64_t first, const uint8_t *hashes, size_t n)
{
	const struct ch_msg_leaves req = { .first = first, .hashes = ch_span(hashes, n * CH_MERKLE_HASH) };
	struct ch_msg_checkpoint out;
	ch_signer_tree_append(t, &out, room, &req);
	return out;
}

static void assert_signed(const struct ch_signer_tree *t, const struct ch_msg_checkpoint *c)
{
	struct ch_checkpoint head;
	struct ch_verify_key vk;
	const struct ch_pub pub = { .type = CH_KEY_ED25519, .a = CH_SPAN_OF(t->note.pub) };
	assert_int_equal(ch_verify_key_init(&vk, &pub), CH_OK);
	assert_int_equal(ch_checkpoint_open(&head, c->note, &t->note, &vk, NULL), CH_OK);
	assert_int_equal(head.size, c->size);
	assert_memory_equal(head.root.b, c->root, 32);
	ch_verify_key_clear(&vk);
}

static void signs_what_continues_and_nothing_else(void **state)
{
	uint8_t hashes[6 * 32];
	struct ch_signer_tree t;
	bool made;
	(void)state;
	for (size_t i = 0; i < sizeof(hashes); i++)
		hashes[i] = (uint8_t)(i * 7);
	assert_int_equal(open_tree(&t, &made), CH_OK);
	assert_true(made);
	struct ch_msg_checkpoint c = append(&t, 0, NULL, 0);
	assert_int_equal(c.status, 0);
	assert_int_equal(c.size, 0);
	assert_signed(&t, &c);
	c = append(&t, 0, hashes, 4);
	assert_int_equal(c.status, 0);
	assert_int_equal(c.size, 4);
	assert_signed(&t, &c);
	/* The same again, a gap, the past, half a hash: its own last checkpoint is the answer. */
	static const uint64_t wrong[] = { 0, 3, 5, UINT64_MAX };
	for (size_t i = 0; i < CH_COUNT_OF(wrong); i++) {
		c = append(&t, wrong[i], hashes, 2);
		assert_int_equal(c.status, 1);
		assert_int_equal(c.size, 4);
		assert_signed(&t, &c);
	}
	const struct ch_msg_leaves half = { .first = 4, .hashes = ch_span(hashes, 33) };
	ch_signer_tree_append(&t, &c, room, &half);
	assert_int_equal(c.status, 1);
	c = append(&t, 4, hashes + 4 * 32, 2);
	assert_int_equal(c.status, 0);
	assert_int_equal(c.size, 6);
	ch_signer_tree_clear(&t);
}

static void a_signer_that_starts_anew_knows_what_it_signed(void **state)
{
	uint8_t hashes[3 * 32] = { 1 };
	struct ch_signer_tree t;
	bool made;
	(void)state;
	assert_int_equal(open_tree(&t, &made), CH_OK);
	struct ch_msg_checkpoint before = append(&t, 0, hashes, 3);
	ch_signer_tree_clear(&t);
	assert_int_equal(open_tree(&t, &made), CH_OK);
	assert_false(made);
	struct ch_msg_checkpoint after = append(&t, 0, hashes, 1);
	assert_int_equal(after.status, 1);
	assert_int_equal(after.size, 3);
	assert_memory_equal(after.root, before.root, 32);
	ch_signer_tree_clear(&t);
}

static void what_cannot_be_kept_is_not_signed(void **state)
{
	uint8_t hashes[2 * 32] = { 2 };
	struct ch_signer_tree t;
	struct rlimit was, none;
	bool made;
	(void)state;
	assert_int_equal(open_tree(&t, &made), CH_OK);
	/* No byte may be written: that holds for root, too. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	struct ch_msg_checkpoint c = append(&t, 0, hashes, 2);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(c.status, 2);
	assert_int_equal(c.size, 0);
	assert_int_equal(c.note.n, 0);
	c = append(&t, 0, hashes, 2);
	assert_int_equal(c.status, 0);
	assert_int_equal(c.size, 2);
	ch_signer_tree_clear(&t);
}

static void a_foreign_file_is_refused(void **state)
{
	uint8_t hashes[32] = { 3 };
	struct ch_signer_tree t;
	struct ch_sign_key key;
	bool made;
	(void)state;
	assert_int_equal(open_tree(&t, &made), CH_OK);
	(void)append(&t, 0, hashes, 1);
	ch_signer_tree_clear(&t);
	open_key(&key);
	assert_int_equal(ch_signer_tree_open(&t, dir, CH_SPAN_LIT("log.test/other"), &key, &made), CH_ERR_MISMATCH);
	ch_sign_key_clear(&key);
	assert_int_equal(ch_sign_key_make(&key, CH_KEY_ED25519), CH_OK);
	assert_int_equal(ch_signer_tree_open(&t, dir, CH_SPAN_LIT(ORIGIN), &key, &made), CH_ERR_MISMATCH);
	ch_sign_key_clear(&key);
	assert_int_equal(ch_sign_key_make(&key, CH_KEY_P256), CH_OK);
	assert_int_equal(ch_signer_tree_open(&t, dir, CH_SPAN_LIT(ORIGIN), &key, &made), CH_ERR_KEY);
	ch_sign_key_clear(&key);
}

/* The file of a log of two entries, signed one by one. */
static void file_of_two(struct ch_buf *file)
{
	uint8_t hashes[2 * 32] = { 4 };
	struct ch_signer_tree t;
	char path[128];
	bool made;
	assert_int_equal(open_tree(&t, &made), CH_OK);
	(void)append(&t, 0, hashes, 1);
	(void)append(&t, 1, hashes + 32, 1);
	ch_signer_tree_clear(&t);
	path_of(path, CH_SIGNER_TREE_FILE);
	assert_int_equal(ch_file_read(file, path), CH_OK);
	assert_int_equal(file->n, CH_SIGNER_TREE_BYTES);
}

static enum ch_err open_bytes(struct ch_span bytes, uint64_t *size)
{
	struct ch_signer_tree t;
	char path[128];
	bool made;
	path_of(path, CH_SIGNER_TREE_FILE);
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
	assert_int_equal(fclose(f), 0);
	enum ch_err err = open_tree(&t, &made);
	*size = t.last.size;
	ch_signer_tree_clear(&t);
	return err;
}

static void a_byte_that_decays_does_not_bring_an_older_tree_back(void **state)
{
	CH_AUTO_BUF struct ch_buf file = { 0 };
	uint64_t size;
	(void)state;
	file_of_two(&file);
	for (size_t i = 0; i < file.n; i += 61) {
		file.p[i] ^= 0x20;
		assert_int_equal(open_bytes(ch_buf_span(&file), &size), CH_OK);
		assert_int_equal(size, 2);
		file.p[i] ^= 0x20;
	}
}

static void a_file_of_another_length_or_without_a_record_is_refused(void **state)
{
	CH_AUTO_BUF struct ch_buf file = { 0 };
	uint64_t size;
	(void)state;
	file_of_two(&file);
	for (size_t n = 0; n < file.n; n += 127)
		assert_int_equal(open_bytes(ch_span(file.p, n), &size), CH_ERR_MALFORMED);
	ch_buf_append(&file, CH_SPAN_LIT("\0"));
	assert_int_equal(open_bytes(ch_buf_span(&file), &size), CH_ERR_MALFORMED);
	for (size_t i = 0; i < CH_SIGNER_TREE_BYTES; i += CH_SIGNER_TREE_BLOCK)
		file.p[i + 50] ^= 1;
	assert_int_equal(open_bytes(ch_span(file.p, CH_SIGNER_TREE_BYTES), &size), CH_ERR_MALFORMED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(signs_what_continues_and_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(a_signer_that_starts_anew_knows_what_it_signed, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_kept_is_not_signed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_foreign_file_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_byte_that_decays_does_not_bring_an_older_tree_back, setup, teardown),
		cmocka_unit_test_setup_teardown(a_file_of_another_length_or_without_a_record_is_refused, setup,
						teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
