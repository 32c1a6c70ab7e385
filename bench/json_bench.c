/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading JSON: core/wire/json against cJSON, and against yyjson where pkg-config found it. Each turn reads the text, walks all
 * of it and converts every integer, so that nobody gains by leaving work for later. The readers take turns in every round and the
 * medians of the rounds are compared: on a shared machine only such ratios are firm.
 */
#include "core/wire/json.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef CH_BENCH_YYJSON
#include <yyjson.h>
#endif

#define ROUNDS    11
#define BYTES_MAX 32768
#define ROUND_US  25000.0

/* What a walk found: the readers must agree on it. */
struct tally {
	uint64_t values;
	uint64_t text; /* bytes in names and strings */
	int64_t sum;   /* of the integers */
};

typedef bool reader(struct ch_span in, struct tally *t);

static uint8_t unescaped[1024];
static struct ch_json_node nodes[BYTES_MAX / 2 + 1];

static bool read_chainhold(struct ch_span in, struct tally *t)
{
	struct ch_json j;
	if (ch_json_parse(&j, in, nodes, CH_COUNT_OF(nodes), NULL) != CH_OK)
		return false;
	for (size_t i = 0; i < j.count; i++) {
		int64_t v;

		struct ch_span s;
		t->values++;
		if (ch_json_type(&j, i) == CH_JSON_NUMBER && ch_json_i64(&j, i, &v) == CH_OK)
			t->sum += v;
		else if (ch_json_type(&j, i) == CH_JSON_STRING &&
			 ch_json_str(&j, i, unescaped, sizeof(unescaped), &s) == CH_OK)
			t->text += s.n;
	}
	return true;
}

static void walk_cjson(const cJSON *v, struct tally *t)
{
	for (; v != NULL; v = v->next) {
		t->values++;
		if (v->string != NULL) {
			t->values++;
			t->text += strlen(v->string);
		}
		if (cJSON_IsNumber(v))
			t->sum += (int64_t)v->valuedouble;
		else if (cJSON_IsString(v))
			t->text += strlen(v->valuestring);
		walk_cjson(v->child, t);
	}
}

static bool read_cjson(struct ch_span in, struct tally *t)
{
	cJSON *root = cJSON_ParseWithLength((const char *)in.p, in.n);
	if (root == NULL)
		return false;
	walk_cjson(root, t);
	cJSON_Delete(root);
	return true;
}

#ifdef CH_BENCH_YYJSON
static void walk_yyjson(yyjson_val *v, struct tally *t)
{
	size_t i;
	size_t n;
	yyjson_val *name;
	yyjson_val *item;
	t->values++;
	if (yyjson_is_int(v)) {
		t->sum += yyjson_get_sint(v);
	} else if (yyjson_is_str(v)) {
		t->text += yyjson_get_len(v);
	} else if (yyjson_is_arr(v)) {
		yyjson_arr_foreach(v, i, n, item) walk_yyjson(item, t);
	} else if (yyjson_is_obj(v)) {
		yyjson_obj_foreach(v, i, n, name, item)
		{
			walk_yyjson(name, t);
			walk_yyjson(item, t);
		}
	}
}

static bool read_yyjson(struct ch_span in, struct tally *t)
{
	yyjson_doc *doc = yyjson_read((const char *)in.p, in.n, 0);
	if (doc == NULL)
		return false;
	walk_yyjson(yyjson_doc_get_root(doc), t);
	yyjson_doc_free(doc);
	return true;
}
#endif

static const struct {
	const char *name;
	reader *read;
	double target; /* how often as fast as it we want to be */
} readers[] = {
	{ "chainhold", read_chainhold, 0 },
	{ "cJSON", read_cjson, 2.5 },
#ifdef CH_BENCH_YYJSON
	{ "yyjson", read_yyjson, 0.5 },
#endif
};

/* One row that an agent reports, as osquery and syslog shape it. */
static void make_event(struct ch_json_wr *j)
{
	ch_json_object_begin(j);
	ch_json_named_str(j, "name", "pack/gateway/process_events");
	ch_json_named_str(j, "hostIdentifier", "gw-0421.plant-7.example.net");
	ch_json_named_str(j, "calendarTime", "Tue Mar 17 09:41:26 2026 UTC");
	ch_json_named_u64(j, "unixTime", 1773740486);
	ch_json_named_u64(j, "epoch", 0);
	ch_json_named_u64(j, "counter", 187214);
	ch_json_named_bool(j, "numerics", false);
	ch_json_name(j, "decorations");
	ch_json_object_begin(j);
	ch_json_named_str(j, "host_uuid", "4f0c2a9e-61d5-4b0b-9a53-0d8e7f1c5b22");
	ch_json_named_str(j, "username", "operator");
	ch_json_object_end(j);
	ch_json_name(j, "columns");
	ch_json_object_begin(j);
	ch_json_named_u64(j, "pid", 21877);
	ch_json_named_u64(j, "parent", 1204);
	ch_json_named_u64(j, "uid", 1000);
	ch_json_named_u64(j, "exit_code", 0);
	ch_json_named_str(j, "path", "/usr/bin/modbus-poll");
	ch_json_named_str(j, "cmdline", "modbus-poll -a 17 -r 40001 -c 16 \"/dev/ttyS1\" --log=/var/log/poll.log");
	ch_json_named_str(j, "cwd", "/srv/plant/bin");
	ch_json_named_str(j, "action", "added");
	ch_json_name(j, "groups");
	ch_json_array_begin(j);
	for (uint64_t gid = 4; gid < 1000; gid = gid * 3 + 8)
		ch_json_put_u64(j, gid);
	ch_json_array_end(j);
	ch_json_named_str(j, "message",
			  "gw-0421 CRON[1204]: (operator) CMD (modbus-poll -a 17) \xc3\xa9tat: d\xc3\xa9marr\xc3\xa9");
	ch_json_object_end(j);
	ch_json_object_end(j);
}

/* Reference values for a boot: digests, paths and PCR numbers, as a person would have them in a file. */
static void make_reference(struct ch_json_wr *j)
{
	ch_json_object_begin(j);
	ch_json_named_str(j, "format", "chainhold-bench-reference");
	ch_json_named_u64(j, "version", 1);
	ch_json_name(j, "events");
	ch_json_array_begin(j);
	for (uint64_t i = 0; i < 109; i++) {
		uint8_t digest[32];
		for (uint64_t k = 0; k < sizeof(digest); k++)
			digest[k] = (uint8_t)((i * 2654435761u + k * 40503u) >> 7);
		ch_json_object_begin(j);
		ch_json_named_u64(j, "pcr", i % 16);
		ch_json_named_str(j, "type", i % 3 == 0 ? "EV_EFI_VARIABLE_DRIVER_CONFIG" : "EV_IPL");
		ch_json_named_str(j, "what", "/boot/efi/EFI/Linux/gateway-6.1.0.efi");
		ch_json_name(j, "digests");
		ch_json_object_begin(j);
		ch_json_named_hex(j, "sha256", CH_SPAN_OF(digest));
		ch_json_object_end(j);
		ch_json_named_bool(j, "pinned", i % 4 == 0);
		ch_json_object_end(j);
	}
	ch_json_array_end(j);
	ch_json_object_end(j);
}

static double cpu_us(void)
{
	struct timespec t;
	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
		return 0;
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Microseconds for one reading. */
static double time_reader(reader *read, struct ch_span in, unsigned turns)
{
	struct tally t = { 0 };
	double start = cpu_us();
	for (unsigned i = 0; i < turns; i++) {
		if (!read(in, &t))
			exit(1);
	}
	return (cpu_us() - start) / turns;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *us)
{
	qsort(us, ROUNDS, sizeof(us[0]), compare);
	return us[ROUNDS / 2];
}

static bool readers_agree(struct ch_span in)
{
	struct tally first = { 0 };
	for (size_t r = 0; r < CH_COUNT_OF(readers); r++) {
		struct tally t = { 0 };
		if (!readers[r].read(in, &t))
			return false;
		if (r == 0)
			first = t;
		if (t.values != first.values || t.text != first.text || t.sum != first.sum)
			return false;
	}
	return true;
}

static int bench(const char *what, struct ch_span in)
{
	static double us[CH_COUNT_OF(readers)][ROUNDS];
	unsigned turns[CH_COUNT_OF(readers)];
	if (!readers_agree(in)) {
		(void)printf("%s: the readers do not agree\n", what);
		return 1;
	}
	for (size_t r = 0; r < CH_COUNT_OF(readers); r++)
		turns[r] = (unsigned)(ROUND_US / time_reader(readers[r].read, in, 200)) + 1;
	for (size_t round = 0; round < ROUNDS; round++) {
		for (size_t r = 0; r < CH_COUNT_OF(readers); r++)
			us[r][round] = time_reader(readers[r].read, in, turns[r]);
	}
	double ours = 0;
	for (size_t r = 0; r < CH_COUNT_OF(readers); r++) {
		double m = median(us[r]);
		if (r == 0)
			ours = m;
		(void)printf("json %-9s %5zu bytes  %-9s %8.3f us %7.0f MB/s", what, in.n, readers[r].name, m,
			     (double)in.n / m);
		if (r > 0)
			(void)printf("  chainhold is %.2f x as fast (target %.1f)", m / ours, readers[r].target);
		(void)printf("\n");
	}
	return 0;
}

int main(void)
{
	static const struct {
		const char *name;
		void (*make)(struct ch_json_wr *);
		bool pretty;
	} texts[] = {
		{ "event", make_event, false },
		{ "reference", make_reference, false },
		{ "indented", make_reference, true },
	};
	int failed = 0;
	(void)printf("json: medians of %d interleaved rounds, CPU time; cJSON %s", ROUNDS, cJSON_Version());
#ifdef CH_BENCH_YYJSON
	(void)printf("; yyjson %s\n", YYJSON_VERSION_STRING);
#else
	(void)printf("; yyjson is not installed here, so it is not compared\n");
#endif
	for (size_t i = 0; i < CH_COUNT_OF(texts); i++) {
		static uint8_t buf[BYTES_MAX];
		struct ch_wr w = ch_wr(buf, sizeof(buf));
		struct ch_json_wr j = ch_json_wr(&w, texts[i].pretty);
		texts[i].make(&j);
		if (!ch_json_wr_done(&j))
			return 1;
		failed |= bench(texts[i].name, ch_wr_span(&w));
	}
	return failed;
}
