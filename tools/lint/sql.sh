#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate: every statement is portable SQL: what SQLite takes today PostgreSQL must take as it stands, and every key starts with the
# tenant. Statements are the string literals of host/store/schema.c and of every server/*/sql.h. tests/system/test_sql.py has a
# real PostgreSQL prepare them all; this gate needs none and says file:line.
. "$(dirname "$0")/../lib.sh"

awk '
# One statement may be several literals on several lines: they are joined until the row ends.
function finish() {
	if (text != "") check(text)
	text = ""
}
function bad(why) {
	printf "%s:%d: %s: %s\n", FILENAME, first, why, substr(text, 1, 60)
	failed = 1
}
function has(pattern) { return toupper(text) ~ ("(^|[^A-Z0-9_])(" pattern ")([^A-Z0-9_]|$)") }
function check(t,    n, i, used, rest, k, columns, count) {
	count_all++
	if (has("INSERT OR|REPLACE INTO|AUTOINCREMENT|WITHOUT ROWID|ROWID|PRAGMA|GLOB|REGEXP|IFNULL|IIF|STRFTIME|DATETIME|JULIANDAY|GROUP_CONCAT|TYPEOF|RANDOMBLOB|ZEROBLOB|HEX|PRINTF|LAST_INSERT_ROWID|CHANGES|COLLATE|INDEXED BY|NOT INDEXED|ATTACH|VACUUM|JSON_[A-Z_]*|STRICT|TOTAL|INSTR|UNLIKELY|LIKELY"))
		bad("SQLite only")
	if (has("NOW|JSONB|ILIKE|ANY|ARRAY|GENERATED|LATERAL|MATERIALIZED|FOR UPDATE|RETURNING|NULLS FIRST|NULLS LAST|GREATEST|LEAST|TRUNCATE|USING"))
		bad("PostgreSQL only, or not the same in both")
	if (has("BLOB (NOT|,)|INTEGER|INT|REAL|DOUBLE|VARCHAR|CHAR|BOOLEAN|DATE|TIMESTAMP|NUMERIC"))
		bad("columns are BIGINT, TEXT or BYTEA")
	if (t ~ /[?`\[\]]|==|\|\||::|x'"'"'|X'"'"'|@|:[a-z]/) bad("not portable: ? ` [ ] == || :: x'"'"''"'"' @ :name")
	if (t ~ /"/) bad("quoted names differ in case between engines")
	if (toupper(t) ~ /LIMIT [^ ]*,/) bad("LIMIT a, b: write LIMIT b OFFSET a")
	if (t ~ /;/) bad("one statement a text")
	# Parameters are $1..$n without a gap.
	rest = t; n = 0; delete seen
	while (match(rest, /\$[0-9]+/)) {
		k = substr(rest, RSTART + 1, RLENGTH - 1) + 0
		seen[k] = 1
		if (k > n) n = k
		rest = substr(rest, RSTART + RLENGTH)
	}
	for (i = 1; i <= n; i++) if (!(i in seen)) bad("parameter $" i " is not used")
	rest = t; gsub(/\$[0-9]+/, "", rest)
	if (rest ~ /\$/) bad("a $ that is no parameter")
	if (toupper(t) ~ /^CREATE TABLE/) {
		if (t !~ /\(tenant BIGINT NOT NULL, /) bad("the first column is tenant BIGINT NOT NULL")
		if (t !~ /PRIMARY KEY \(tenant, /) bad("the primary key starts with the tenant")
	} else if (toupper(t) ~ /^CREATE (UNIQUE )?INDEX/) {
		if (t !~ /\(tenant, /) bad("an index starts with the tenant")
	} else if (toupper(t) ~ /^ALTER TABLE/) {
		if (t !~ /^ALTER TABLE [a-z_]+ ADD COLUMN [a-z0-9_]+ (BIGINT NOT NULL DEFAULT 0|BYTEA|TEXT)$/) bad("a column is added with a default that costs nothing")
	} else if (toupper(t) ~ /^INSERT INTO/) {
		if (t !~ /^INSERT INTO [a-z_]+ \(tenant, /) bad("an INSERT names its columns, the tenant first")
		if (t ~ /ON CONFLICT/ && t !~ /ON CONFLICT \(tenant, /) bad("ON CONFLICT names a key with the tenant")
	} else if (toupper(t) ~ /^(SELECT|UPDATE|DELETE)/) {
		if (t !~ /WHERE ([a-z]\.)?tenant = \$1/) bad("WHERE begins with tenant = $1")
		if (t ~ /LIMIT/ && t !~ /ORDER BY/) bad("LIMIT without ORDER BY")
	} else if (t !~ /^DROP INDEX [a-z0-9_]+$/) bad("no kind of statement that the store has")
}
# A macro that is the beginning of several texts.
/^#define CH_[A-Z_]+ *\\$/ { macro_name = $2; macro[macro_name] = ""; next }
macro_name != "" {
	s = $0
	while (match(s, /"([^"\\]|\\.)*"/)) {
		macro[macro_name] = macro[macro_name] substr(s, RSTART + 1, RLENGTH - 2)
		s = substr(s, RSTART + RLENGTH)
	}
	if ($0 !~ /\\$/) macro_name = ""
	next
}
FNR == 1 { finish(); schema = FILENAME ~ /schema\.c$/; inside = 0; row = 0 }
schema && /^static const struct step / { inside = 1; next }
schema && /^};/ { finish(); inside = 0 }
!schema && /^#define CH_[A-Z]+_SQL\(X\)/ { inside = 1; next }
!schema && inside && !/\\$/ { take($0); finish(); inside = 0; next }
function take(line,    s, name) {
	s = line
	for (name in macro) if (index(s, name)) sub(name, "\"" macro[name] "\"", s)
	if ((schema && s ~ /^[[:space:]]*\{ "/) || (!schema && s ~ /^[[:space:]]*X\(/)) { finish(); first = FNR }
	while (match(s, /"([^"\\]|\\.)*"/)) {
		text = text substr(s, RSTART + 1, RLENGTH - 2)
		s = substr(s, RSTART + RLENGTH)
	}
}
inside { take($0) }
END {
	finish()
	if (count_all < 100) { printf "tools/lint/sql.sh:1: only %d statements were found\n", count_all; failed = 1 }
	printf "%d statements\n", count_all
	exit failed
}' host/store/schema.c server/*/sql.h
