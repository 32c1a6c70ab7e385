/* SPDX-License-Identifier: Apache-2.0 */
#include "core/platform/spki.h"
#include "core/platform/x509.h"
#include "core/wire/base64.h"
#include "host/crypto_openssl/backend.h"
#include "host/pkcs11/token.h"
#include "host/sys/log.h"
#include "server/ipc/hub.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* chainhold-token: a vendor's PKCS #11 module in a process of its own. Started by chainholdd only. */

#define FOLDERS_MAX     16
#define VARIABLES_MAX   16
#define DEADLINE_S      10
#define CERTIFICATE_MAX 65536
#define TRIES           5
#define AGAIN_NS        200000000

struct token_main {
	struct ch_child child;
	struct ch_hub hub;
	struct ch_p11_key *key;
	timer_t watchdog;
	time_t deadline;
	uint64_t signatures;
};

/* Ends without asking the module: what it would do now nobody has looked at, and its session ends with the process. */
static _Noreturn void end(int code)
{
	_exit(code);
}

/* --- the deadline --- */

/* Whoever hangs in the module is killed by the kernel, whatever it did to signals. */
static void watchdog_make(struct token_main *m)
{
	struct sigevent kill = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	m->deadline = (time_t)ch_config_number(m->child.start.config, "deadline", DEADLINE_S);
	if (timer_create(CLOCK_MONOTONIC, &kill, &m->watchdog) == 0)
		return;
	ch_log(CH_LOG_ERROR, "no timer for the module's deadline: %s", strerror(errno));
	end(EXIT_FAILURE);
}

static void watchdog_set(const struct token_main *m, time_t seconds)
{
	const struct itimerspec at = { .it_value = { .tv_sec = seconds } };
	if (timer_settime(m->watchdog, 0, &at, NULL) != 0)
		end(EXIT_FAILURE);
}

/* --- what the hub brings --- */

static bool message(void *ctx, struct ch_peer *from, const struct ch_frame *f)
{
	struct token_main *m = ctx;
	struct ch_msg_token_sign ask;
	struct ch_msg_token_signed out;
	struct ch_p11_why why = { "" };
	if (f->type != CH_MSG_TOKEN_SIGN || ch_msg_parse(CH_MSG_TOKEN_SIGN, &ask, f->payload, NULL) != CH_OK)
		return false;
	watchdog_set(m, m->deadline);
	enum ch_err err = ch_p11_sign(m->key, ask.digest, out.signature, &why);
	watchdog_set(m, 0);
	if (err != CH_OK) {
		/* A lost session, a token pulled out: a new process begins with a new one, and is asked again. */
		ch_log(CH_LOG_ERROR, "%s", why.text);
		end(EXIT_FAILURE);
	}
	m->signatures++;
	ch_peer_send(from, CH_MSG_TOKEN_SIGNED, f->id, &out);
	return true;
}

static void metrics(void *ctx, struct ch_wr *w)
{
	const struct token_main *m = ctx;
	ch_wr_str(w, "# TYPE chainhold_token_signatures_total counter\nchainhold_token_signatures_total ");
	ch_wr_dec(w, m->signatures);
	ch_wr_u8(w, '\n');
}

static const struct ch_hub_work work = { .message = message, .metrics = metrics };

/* --- start --- */

/* A value of the configuration as a string of its own, which lives as long as the process; NULL if it is not there. */
static char *text_of(const struct token_main *m, const char *key, unsigned nth)
{
	struct ch_span value = ch_config_get(m->child.start.config, key, nth);
	if (value.n == 0)
		return NULL;
	char *text = ch_calloc(value.n + 1, 1);
	(void)ch_span_copy(text, value.n, value);
	return text;
}

/* Modules find their own configuration by variables; nothing of main's environment comes here. */
static void set_environment(const struct token_main *m)
{
	for (unsigned i = 0; i < VARIABLES_MAX; i++) {
		char *text = text_of(m, "environment", i);
		if (text != NULL && putenv(text) != 0)
			end(EXIT_FAILURE);
	}
}

static bool give_pin(void *ctx, const char *label, struct ch_buf *pin)
{
	const struct token_main *m = ctx;
	(void)label;
	return ch_config_bytes(m->child.start.config, "pin", 0, pin) == CH_OK;
}

static bool is_key_of_ca(const struct token_main *m)
{
	static uint8_t der[CH_CERT_MAX];
	static struct ch_x509 x;
	CH_AUTO_BUF struct ch_buf pem = { 0 };
	size_t off = 0, n;
	return ch_config_bytes(m->child.start.config, "ca_certificate", 0, &pem) == CH_OK &&
	       ch_pem_next(ch_buf_span(&pem), &off, "CERTIFICATE", der, sizeof(der), &n, NULL) == CH_OK &&
	       ch_x509_parse(&x, ch_span(der, n), NULL) == CH_OK && ch_spki_same(&x.pub, ch_p11_key_pub(m->key));
}

/*
 * A module that keeps its tokens in files (SoftHSM) does not see one in the moment in which another process writes to it: it is asked
 * again. A PIN that is wrong is another error, and is never given twice.
 */
static enum ch_err find_key(struct token_main *m, const struct ch_p11_uri *u, struct ch_p11_why *why)
{
	static const struct timespec pause = { .tv_nsec = AGAIN_NS };
	const struct ch_p11_ask ask = { .pin = give_pin, .ctx = m, .unattended = true };
	enum ch_err err = ch_p11_key_open(&m->key, u, &ask, why);
	for (int i = 1; i < TRIES && err == CH_ERR_NOTFOUND; i++) {
		(void)nanosleep(&pause, NULL);
		err = ch_p11_key_open(&m->key, u, &ask, why);
	}
	return err;
}

/* Opens the key and signs once: what a module does for the first time it does before the sandbox. */
static const char *open_key(struct token_main *m, struct ch_p11_why *why)
{
	static const char purpose[] = "chainhold-token-start/v1";
	struct ch_p11_uri u;
	struct ch_diag d;
	struct ch_digest h;
	uint8_t rs[64];
	if (ch_p11_uri_parse(&u, ch_config_get(m->child.start.config, "uri", 0), &d) != CH_OK)
		return d.rule;
	if (find_key(m, &u, why) != CH_OK)
		return why->text;
	if (!is_key_of_ca(m))
		return "the key in the token is not that of the CA's certificate";
	if (ch_hash_once(CH_HASH_SHA256, CH_SPAN_OF(purpose), &h) != CH_OK ||
	    ch_p11_sign(m->key, h.b, rs, why) != CH_OK)
		return why->text;
	return NULL;
}

/* Another thread would go on outside the sandbox. */
static bool is_alone(void)
{
	unsigned threads = 0;
	DIR *dir = opendir("/proc/self/task");
	if (dir == NULL)
		return false;
	for (const struct dirent *e; (e = readdir(dir)) != NULL;)
		threads += e->d_name[0] != '.';
	(void)closedir(dir);
	return threads == 1;
}

static void start_module(struct token_main *m)
{
	struct ch_p11_why why = { "" };
	set_environment(m);
	watchdog_set(m, m->deadline);
	const char *wrong = open_key(m, &why);
	watchdog_set(m, 0);
	if (wrong == NULL && !is_alone())
		wrong = "the module started threads of its own, which no sandbox would hold";
	char key[128] = "";
	(void)ch_span_copy(key, sizeof(key) - 1, ch_config_get(m->child.start.config, "key", 0));
	ch_wipe(m->child.start_bytes.p, m->child.start_bytes.n);
	if (wrong == NULL)
		return;
	ch_log(CH_LOG_ERROR, "%s: %s", key, wrong);
	end(EXIT_FAILURE);
}

int main(void)
{
	static struct token_main m;
	const char *folders[FOLDERS_MAX + 1] = { NULL };
	unsigned count = 0;
	if (ch_child_begin(&m.child, CH_ROLE_TOKEN) != CH_OK)
		return EXIT_FAILURE;
	if (ch_crypto_openssl_init() != CH_OK) {
		ch_log(CH_LOG_ERROR, "OpenSSL cannot be used");
		return EXIT_FAILURE;
	}
	ch_hub_init(&m.hub, &m.child, &work, &m);
	watchdog_make(&m);
	while (count < FOLDERS_MAX && (folders[count] = text_of(&m, "folder", count)) != NULL)
		count++;
	ch_child_become(&m.child);
	start_module(&m);
	ch_child_confine_to(&m.child, CH_ALLOW_MODULE | (count > 0 ? CH_ALLOW_FILES : 0), folders);
	end(ch_hub_run(&m.hub) == CH_OK ? EXIT_SUCCESS : EXIT_FAILURE);
}
