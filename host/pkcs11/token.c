/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/text.h"
#include "host/pkcs11/state.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS_MAX   64
#define LABELS_ROOM 300

const char *ch_p11_rv_str(CK_RV rv, char to[static 32])
{
	static const struct {
		CK_RV rv;
		const char *name;
	} known[] = {
		{ CKR_GENERAL_ERROR, "CKR_GENERAL_ERROR" },
		{ CKR_FUNCTION_FAILED, "CKR_FUNCTION_FAILED" },
		{ CKR_DEVICE_ERROR, "CKR_DEVICE_ERROR" },
		{ CKR_DEVICE_REMOVED, "CKR_DEVICE_REMOVED" },
		{ CKR_TOKEN_NOT_PRESENT, "CKR_TOKEN_NOT_PRESENT" },
		{ CKR_SESSION_CLOSED, "CKR_SESSION_CLOSED" },
		{ CKR_SESSION_HANDLE_INVALID, "CKR_SESSION_HANDLE_INVALID" },
		{ CKR_KEY_HANDLE_INVALID, "CKR_KEY_HANDLE_INVALID" },
		{ CKR_KEY_FUNCTION_NOT_PERMITTED, "CKR_KEY_FUNCTION_NOT_PERMITTED" },
		{ CKR_MECHANISM_INVALID, "CKR_MECHANISM_INVALID" },
		{ CKR_USER_NOT_LOGGED_IN, "CKR_USER_NOT_LOGGED_IN" },
		{ CKR_PIN_INCORRECT, "CKR_PIN_INCORRECT" },
		{ CKR_PIN_LOCKED, "CKR_PIN_LOCKED" },
		{ CKR_PIN_EXPIRED, "CKR_PIN_EXPIRED" },
	};
	for (size_t i = 0; i < CH_COUNT_OF(known); i++) {
		if (known[i].rv == rv)
			return known[i].name;
	}
	(void)snprintf(to, 32, "error 0x%lx", rv);
	return to;
}

/* --- the module --- */

/* Whoever can write the file is whoever runs in this process. */
static enum ch_err file_trusted(const char *path, struct ch_p11_why *why)
{
	struct stat st;
	if (path[0] != '/')
		return ch_p11_say(
			why, CH_ERR_NOTFOUND,
			"name the module of your token: ?module-path=/PATH/OF/MODULE.so at the end of the URI");
	if (stat(path, &st) != 0)
		return ch_p11_say(why, CH_ERR_NOTFOUND, "the module %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 ||
	    (st.st_uid != 0 && st.st_uid != geteuid()))
		return ch_p11_say(
			why, CH_ERR_UNTRUSTED,
			"the module %s could be changed by others: it must be root's or yours, and writable by its owner only",
			path);
	return CH_OK;
}

enum ch_err ch_p11_load(struct ch_p11_key *k, const struct ch_p11_uri *u, struct ch_p11_why *why)
{
	const char *path = ch_p11_uri_str(u, CH_P11_MODULE_PATH);
	char text[32];
	/* One thread asks; a module that wants threads of its own may not get them where this process is confined. */
	CK_C_INITIALIZE_ARGS args = { .flags = CKF_LIBRARY_CANT_CREATE_OS_THREADS };
	enum ch_err err = file_trusted(path, why);
	if (err != CH_OK)
		return err;
	k->module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (k->module == NULL)
		return ch_p11_say(why, CH_ERR_IO, "the module %s cannot be loaded: %s", path, dlerror());
	union {
		void *symbol;
		CK_C_GetFunctionList call;
	} list = { dlsym(k->module, "C_GetFunctionList") };
	if (list.symbol == NULL || list.call(&k->call) != CKR_OK || k->call == NULL)
		return ch_p11_say(why, CH_ERR_IO, "%s is no PKCS #11 module: it has no C_GetFunctionList", path);
	CK_RV rv = k->call->C_Initialize(&args);
	if (rv == CKR_NEED_TO_CREATE_THREADS) {
		args.flags = CKF_OS_LOCKING_OK;
		rv = k->call->C_Initialize(&args);
	}
	if (rv != CKR_OK)
		return ch_p11_say(why, CH_ERR_IO,
				  "the module %s does not start (C_Initialize: %s): see its own configuration", path,
				  ch_p11_rv_str(rv, text));
	k->initialized = true;
	return CH_OK;
}

void ch_p11_unload(struct ch_p11_key *k)
{
	if (k->session != CK_INVALID_HANDLE)
		(void)k->call->C_CloseSession(k->session);
	if (k->initialized)
		(void)k->call->C_Finalize(NULL);
	if (k->module != NULL)
		(void)dlclose(k->module);
}

/* --- the token --- */

/* A field of fixed size, padded with blanks (PKCS #11 2.40, 3.1). */
static struct ch_span padded(const unsigned char *field, size_t n)
{
	while (n > 0 && (field[n - 1] == ' ' || field[n - 1] == '\0'))
		n--;
	return ch_span(field, n);
}

static bool wanted(const struct ch_p11_uri *u, enum ch_p11_attr attr, struct ch_span value)
{
	return u->attr[attr].p == NULL || ch_span_eq(u->attr[attr], value);
}

static bool number_wanted(const struct ch_p11_uri *u, CK_SLOT_ID id)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lu", id);
	return wanted(u, CH_P11_SLOT_ID, ch_span(text, (size_t)n));
}

static bool version_wanted(const struct ch_p11_uri *u, const CK_VERSION *v)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u.%u", v->major, v->minor);
	return wanted(u, CH_P11_LIBRARY_VERSION, ch_span(text, (size_t)n));
}

static bool library_matches(const struct ch_p11_key *k, const struct ch_p11_uri *u)
{
	CK_INFO i;
	if (u->attr[CH_P11_LIBRARY_MANUFACTURER].p == NULL && u->attr[CH_P11_LIBRARY_DESCRIPTION].p == NULL &&
	    u->attr[CH_P11_LIBRARY_VERSION].p == NULL)
		return true;
	return k->call->C_GetInfo(&i) == CKR_OK && version_wanted(u, &i.libraryVersion) &&
	       wanted(u, CH_P11_LIBRARY_MANUFACTURER, padded(i.manufacturerID, sizeof(i.manufacturerID))) &&
	       wanted(u, CH_P11_LIBRARY_DESCRIPTION, padded(i.libraryDescription, sizeof(i.libraryDescription)));
}

static bool matches(const struct ch_p11_key *k, const struct ch_p11_uri *u, CK_SLOT_ID id, const CK_TOKEN_INFO *t)
{
	CK_SLOT_INFO s;
	return k->call->C_GetSlotInfo(id, &s) == CKR_OK && number_wanted(u, id) &&
	       wanted(u, CH_P11_TOKEN, padded(t->label, sizeof(t->label))) &&
	       wanted(u, CH_P11_MANUFACTURER, padded(t->manufacturerID, sizeof(t->manufacturerID))) &&
	       wanted(u, CH_P11_SERIAL, padded(t->serialNumber, sizeof(t->serialNumber))) &&
	       wanted(u, CH_P11_MODEL, padded(t->model, sizeof(t->model))) &&
	       wanted(u, CH_P11_SLOT_DESCRIPTION, padded(s.slotDescription, sizeof(s.slotDescription))) &&
	       wanted(u, CH_P11_SLOT_MANUFACTURER, padded(s.manufacturerID, sizeof(s.manufacturerID)));
}

struct found {
	size_t count;
	CK_SLOT_ID slot;
	CK_TOKEN_INFO token;
	char labels[LABELS_ROOM]; /* of all tokens that are there, or of those that match */
	size_t len;
};

static void put_label(struct found *f, const CK_TOKEN_INFO *t)
{
	struct ch_wr w = ch_wr(f->labels, sizeof(f->labels) - 1);
	w.len = f->len;
	ch_wr_str(&w, f->len > 0 ? ", \"" : "\"");
	ch_text_escape(&w, padded(t->label, sizeof(t->label)));
	ch_wr_str(&w, "\" serial ");
	ch_text_escape(&w, padded(t->serialNumber, sizeof(t->serialNumber)));
	if (w.bad)
		return;
	f->len = w.len;
	f->labels[f->len] = '\0';
}

/* The tokens that match; where none does, `labels` has all of them. */
static CK_RV look(const struct ch_p11_key *k, const struct ch_p11_uri *u, struct found *f)
{
	CK_SLOT_ID slot[SLOTS_MAX];
	CK_ULONG n = SLOTS_MAX;
	CK_RV rv = k->call->C_GetSlotList(CK_TRUE, slot, &n);
	bool library = library_matches(k, u);
	for (CK_ULONG pass = 0; rv == CKR_OK && pass < 2 && f->count == 0; pass++) {
		for (CK_ULONG i = 0; i < n && i < SLOTS_MAX; i++) {
			CK_TOKEN_INFO t;
			if (k->call->C_GetTokenInfo(slot[i], &t) != CKR_OK || (t.flags & CKF_TOKEN_INITIALIZED) == 0)
				continue;
			bool match = library && matches(k, u, slot[i], &t);
			if (pass == 1 || match)
				put_label(f, &t);
			if (!match)
				continue;
			f->count++;
			f->slot = slot[i];
			f->token = t;
		}
	}
	return rv;
}

static enum ch_err find_token(struct ch_p11_key *k, const struct ch_p11_uri *u, struct found *f, struct ch_p11_why *why)
{
	char text[32];
	CK_RV rv = look(k, u, f);
	if (rv != CKR_OK)
		return ch_p11_say(why, CH_ERR_IO, "the module does not list its tokens: %s", ch_p11_rv_str(rv, text));
	if (f->count == 0 && f->len == 0)
		return ch_p11_say(why, CH_ERR_NOTFOUND,
				  "the module sees no token: is it plugged in, and its configuration found?");
	if (f->count == 0)
		return ch_p11_say(why, CH_ERR_NOTFOUND, "no token is what the URI says; there is %s", f->labels);
	if (f->count > 1)
		return ch_p11_say(why, CH_ERR_DUPLICATE, "more than one token matches, add serial=: %s", f->labels);
	struct ch_wr w = ch_wr(k->label, sizeof(k->label) - 1);
	ch_text_escape(&w, padded(f->token.label, sizeof(f->token.label)));
	k->label[w.len] = '\0';
	return CH_OK;
}

/* --- logging in --- */

static enum ch_err get_pin(struct ch_p11_key *k, const struct ch_p11_uri *u, const CK_TOKEN_INFO *t,
			   const struct ch_p11_ask *ask, struct ch_p11_why *why)
{
	const char *source = ch_p11_uri_str(u, CH_P11_PIN_SOURCE);
	if ((t->flags & CKF_USER_PIN_LOCKED) != 0)
		return ch_p11_say(
			why, CH_ERR_UNTRUSTED,
			"token \"%s\" is locked after too many wrong PINs: its security officer sets a new one",
			k->label);
	if ((source[0] != '\0' || ask->unattended) && (t->flags & CKF_USER_PIN_FINAL_TRY) != 0)
		return ch_p11_say(
			why, CH_ERR_UNTRUSTED,
			"token \"%s\" takes one more try before it locks, so the PIN in %s was not tried: log in once by hand",
			k->label, source);
	if (source[0] != '\0')
		return ch_p11_pin_read(&k->pin, source, why);
	if (ask->pin(ask->ctx, k->label, &k->pin))
		return CH_OK;
	return ch_p11_say(why, CH_ERR_MISSING,
			  "token \"%s\" wants a PIN and there is nobody to ask: add pin-source=file:/PATH to the URI",
			  k->label);
}

static enum ch_err log_in(struct ch_p11_key *k, const struct ch_p11_uri *u, const CK_TOKEN_INFO *t,
			  const struct ch_p11_ask *ask, struct ch_p11_why *why)
{
	char text[32];
	bool pad = (t->flags & CKF_PROTECTED_AUTHENTICATION_PATH) != 0;
	enum ch_err err = CH_OK;
	if ((t->flags & CKF_LOGIN_REQUIRED) == 0)
		return CH_OK;
	if (!pad)
		err = get_pin(k, u, t, ask, why);
	if (err != CH_OK)
		return err;
	CK_RV rv = k->call->C_Login(k->session, CKU_USER, pad ? NULL : k->pin.p, k->pin.n);
	if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
		return CH_OK;
	if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_INVALID)
		return ch_p11_say(
			why, CH_ERR_UNTRUSTED,
			"wrong PIN for token \"%s\": it was not tried again, as too many wrong ones lock a token",
			k->label);
	return ch_p11_say(why, CH_ERR_UNTRUSTED, "token \"%s\" does not let you in: %s", k->label,
			  ch_p11_rv_str(rv, text));
}

enum ch_err ch_p11_session(struct ch_p11_key *k, const struct ch_p11_uri *u, const struct ch_p11_ask *ask,
			   struct ch_p11_why *why)
{
	struct found f = { 0 };
	char text[32];
	enum ch_err err = find_token(k, u, &f, why);
	if (err != CH_OK)
		return err;
	CK_RV rv = k->call->C_OpenSession(f.slot, CKF_SERIAL_SESSION | (k->writable ? CKF_RW_SESSION : 0), NULL, NULL,
					  &k->session);
	if (rv != CKR_OK) {
		k->session = CK_INVALID_HANDLE;
		return ch_p11_say(why, CH_ERR_IO, "token \"%s\" opens no session: %s", k->label,
				  ch_p11_rv_str(rv, text));
	}
	return log_in(k, u, &f.token, ask, why);
}
