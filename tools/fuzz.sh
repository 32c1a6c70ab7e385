#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the fuzz targets (fuzz/*_fuzz.c: libFuzzer, AddressSanitizer, UndefinedBehaviorSanitizer). What it can do:
#: tools/fuzz.sh [--seconds N] [TARGET…]   run each for N seconds (60), from its seeds and what build-fuzz/ has found before
#: tools/fuzz.sh --planted [TARGET…]       weaken the parser by fuzz/planted/TARGET.patch in a copy: it must crash within 60 s
#: tools/fuzz.sh --coverage [TARGET…]      line coverage of each parser by seeds and unit tests; at least 95 % or in fuzz/coverage-exceptions
#: tools/fuzz.sh --long [TARGET…]          until 2 million executions and 10 CPU-minutes without a new edge; rows of docs/results/fuzz.md
#: tools/fuzz.sh --minimise TARGET         merge what build-fuzz/ has found into fuzz/corpus/TARGET, only what adds coverage
# Ends with "N passed, N failed"; a target is one test. A crashing input is kept in build-fuzz/crash/.
. "$(dirname "$0")/lib.sh"

mode=run seconds=60 targets=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds) seconds=${2:?} && shift ;;
	--planted | --coverage | --long | --minimise) mode=${1#--} ;;
	--help | -h)
		sed -n 's/^#: //p' "$0"
		exit 0
		;;
	-*) die "unknown option $1; see tools/fuzz.sh --help" ;;
	*) targets+=("$1") ;;
	esac
	shift
done
if [ ${#targets[@]} -eq 0 ]; then
	for f in fuzz/*_fuzz.c; do
		[ -e "$f" ] || die "no fuzz target in fuzz/"
		f=${f##*/}
		targets+=("${f%_fuzz.c}")
	done
fi
for t in "${targets[@]}"; do
	[ -f "fuzz/${t}_fuzz.c" ] || die "no such target: $t"
done

export CLANG=${CLANG:-clang}
export OUT="$ROOT/build-fuzz"
export COMMON='-std=c11 -D_GNU_SOURCE -g -O1 -fno-omit-frame-pointer -Wno-unused-command-line-argument'
export SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=undefined'
export COVER='-fprofile-instr-generate -fcoverage-mapping'
export LIBS='-lssl -lcrypto -lseccomp -lsqlite3 -lyaml'
export ASAN_OPTIONS='abort_on_error=0:detect_leaks=1:allocator_may_return_null=1'
export UBSAN_OPTIONS='print_stacktrace=1'
mkdir -p "$OUT"
echo '#define CH_VERSION "fuzz"' >"$OUT/version.h"
COMMON="$COMMON -include $OUT/version.h"
mkdir -p "$OUT/crash" "$OUT/log" "$OUT/bin" "$OUT/corpus"

# sources [FOLDER]: what targets are linked with: core, host, and the parsers of programs that fuzz/parsers.txt names. Unit tests, whose coverage
# counts, need more of the programs, and what they share.
sources() {
	(cd "${1:-.}" && {
		find core host -name '*.c'
		[ "$mode" != coverage ] || find server agent tests/server -name '*.c' ! -name main.c ! -name '*_test.c' ! -path '*/main/*'
		awk '!/^(#|-|$)/ { for (i = 2; i <= NF; i++) if ($i !~ /^(core|host)\//) print $i }' fuzz/parsers.txt
	}) | sort -u
}

# library NAME FLAGS: everything but programs, compiled once per kind; only what changed is compiled again.
library() {
	local kind=$1 flags=$2 newest
	mkdir -p "$OUT/$kind"
	newest=$(find core host agent server -name '*.h' -newer "$OUT/$kind/stamp" 2>/dev/null | head -n 1 || true)
	if [ ! -f "$OUT/$kind/stamp" ] || [ -n "$newest" ] || [ "$(cat "$OUT/$kind/stamp")" != "$flags" ]; then
		rm -rf "${OUT:?}/$kind"
		mkdir -p "$OUT/$kind"
	fi
	export KIND=$kind FLAGS=$flags
	sources | xargs -P "$JOBS" -I{} bash -c 'object "$1"' - {}
	rm -f "$OUT/$kind/lib.a"
	find "$OUT/$kind" -name '*.o' | sort | xargs ar rcs "$OUT/$kind/lib.a"
	# Objects of sources that went away must not stay.
	printf '%s' "$flags" >"$OUT/$kind/stamp"
}
object() {
	local src=$1 obj="$OUT/$KIND/${1%.c}.o"
	[ "$obj" -nt "$src" ] && return 0
	mkdir -p "${obj%/*}"
	# shellcheck disable=SC2086
	$CLANG $COMMON $FLAGS -I. -c "$src" -o "$obj"
}
export -f object

# build TARGET: the instrumented binary build-fuzz/bin/TARGET.
build() {
	# shellcheck disable=SC2086
	$CLANG $COMMON $SANITIZE -fsanitize=fuzzer -I. "fuzz/$1_fuzz.c" "$OUT/asan/lib.a" $LIBS -o "$OUT/bin/$1"
}

# options TARGET: arguments for libFuzzer that fuzz/TARGET.options names, and its dictionary.
options() {
	[ ! -f "fuzz/$1.options" ] || grep -v '^#' "fuzz/$1.options"
	[ ! -f "fuzz/$1.dict" ] || echo "-dict=fuzz/$1.dict"
}

# Each of the following does one target and prints its lines; its status is the target's.
one_run() {
	local t=$1 log="$OUT/log/$1" execs cov
	mkdir -p "$OUT/corpus/$t"
	build "$t" || return 1
	# shellcheck disable=SC2046
	if ! "$OUT/bin/$t" -max_total_time="$SECONDS_EACH" -timeout=20 -rss_limit_mb=3000 -print_final_stats=1 \
		-artifact_prefix="$OUT/crash/$t-" $(options "$t") "$OUT/corpus/$t" "fuzz/corpus/$t" >"$log" 2>&1; then
		grep -vE '^#[0-9]+|^INFO' "$log" | tail -n 40
		echo "$t: FAILED; the input is in build-fuzz/crash/, the whole output in build-fuzz/log/$t"
		return 1
	fi
	execs=$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")
	cov=$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1)
	printf '%-20s %9s executions, %s\n' "$t" "$execs" "${cov:-cov: none}"
}

one_planted() {
	local t=$1 dir start rc=0 sources=() objects=() src
	[ -f "fuzz/planted/$t.patch" ] || {
		echo "$t: no planted bug: fuzz/planted/$t.patch"
		return 1
	}
	dir=$(mktemp -d)
	cp -r core host agent server fuzz "$dir/"
	if ! patch -d "$dir" -p1 --no-backup-if-mismatch -s <"fuzz/planted/$t.patch"; then
		echo "$t: fuzz/planted/$t.patch does not apply any more; make it again"
		rm -rf "$dir"
		return 1
	fi
	# A patched source replaces its object of the library; a patched header means compiling everything.
	if grep -qE '^\+\+\+ .*\.h([[:space:]]|$)' "fuzz/planted/$t.patch"; then
		mapfile -t sources < <(sources "$dir")
	else
		mapfile -t sources < <(sed -nE 's|^\+\+\+ b/([^[:space:]]*\.c).*|\1|p' "fuzz/planted/$t.patch")
		objects=("$OUT/asan/lib.a")
	fi
	for src in "${sources[@]}"; do
		set -- "$@" "$dir/$src"
	done
	shift
	# shellcheck disable=SC2086
	if ! $CLANG $COMMON $SANITIZE -fsanitize=fuzzer -I"$dir" "$dir/fuzz/${t}_fuzz.c" "$@" "${objects[@]}" $LIBS -o "$dir/planted" 2>"$dir/err"; then
		head -n 20 "$dir/err"
		echo "$t: the planted version does not compile"
		rm -rf "$dir"
		return 1
	fi
	mkdir "$dir/new"
	start=$EPOCHSECONDS
	# From the committed seeds only.
	# shellcheck disable=SC2046
	"$dir/planted" -max_total_time=60 -timeout=20 -rss_limit_mb=3000 -artifact_prefix="$dir/" $(options "$t") "$dir/new" "fuzz/corpus/$t" >"$dir/log" 2>&1 || rc=$?
	if [ $rc -ne 0 ] && grep -qE 'ERROR: (AddressSanitizer|libFuzzer)|runtime error|Assertion' "$dir/log"; then
		printf '%-20s planted bug found in %d s: %s\n' "$t" $((EPOCHSECONDS - start)) \
			"$(grep -m 1 -oE 'AddressSanitizer: [a-zA-Z-]+|runtime error: .*|Assertion .*|libFuzzer: .*' "$dir/log" | head -c 90)"
		rc=0
	else
		echo "$t: the planted bug was NOT found in 60 s: this target would miss it. Mend the harness or its seeds"
		rc=1
	fi
	rm -rf "$dir"
	return $rc
}

# What is the point of more time? Runs until both marks are reached, or 40 minutes of CPU are spent.
one_long() {
	local t=$1 log="$OUT/log/$1.long" pid cpu=0 cov=0 last=0 now execs=0 ok=1
	mkdir -p "$OUT/corpus/$t"
	build "$t" || return 1
	# shellcheck disable=SC2046
	"$OUT/bin/$t" -timeout=20 -rss_limit_mb=3000 -artifact_prefix="$OUT/crash/$t-" $(options "$t") "$OUT/corpus/$t" "fuzz/corpus/$t" >"$log" 2>&1 &
	pid=$!
	# Of the target and of the programs that it has started and waited for.
	while sleep 2 && now=$(awk -v tick="$(getconf CLK_TCK)" '{ print int(($14 + $15 + $16 + $17) / tick) }' /proc/$pid/stat 2>/dev/null) && kill -0 $pid 2>/dev/null; do
		cpu=$((now))
		now=$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1 | cut -c6-)
		[ "${now:-0}" -eq "$cov" ] || last=$cpu cov=$now
		execs=$(grep -oE '^#[0-9]+' "$log" | tail -n 1 | tr -d '#')
		if [ "${execs:-0}" -ge "${LONG_EXECUTIONS:-2000000}" ] && [ $((cpu - last)) -ge "${LONG_IDLE:-600}" ]; then
			ok=0
			break
		fi
		[ $cpu -lt 2400 ] || break
	done
	if kill -INT $pid 2>/dev/null; then
		wait $pid || true
	else
		tail -n 30 "$log"
		echo "$t: FAILED; the input is in build-fuzz/crash/"
		return 1
	fi
	printf '| %s | %s | %s | %s | %s | %s |\n' "$t" "$execs" "$cov" "$cpu" $((cpu - last)) "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" | tee "$OUT/log/$t.row"
	return $ok
}

one_minimise() {
	local t=$1 dir
	build "$t" || return 1
	dir=$(mktemp -d)
	"$OUT/bin/$t" -merge=1 "$dir" "fuzz/corpus/$t" "$OUT/corpus/$t" 2>/dev/null && cp "$dir"/* "fuzz/corpus/$t/"
	rm -rf "$dir"
	echo "$t: $(find "fuzz/corpus/$t" -type f | wc -l) seeds"
}

# The program that the coverage of TARGET comes from: all its seeds, no mutation.
one_profile() {
	local t=$1
	# shellcheck disable=SC2086
	$CLANG $COMMON $COVER -fsanitize=fuzzer -I. "fuzz/${t}_fuzz.c" "$OUT/cover/lib.a" $LIBS -o "$OUT/cover/bin-$t" || return 1
	mkdir -p "$OUT/corpus/$t"
	LLVM_PROFILE_FILE="$OUT/cover/$t.profraw" "$OUT/cover/bin-$t" -runs=0 "fuzz/corpus/$t" >/dev/null 2>&1
}
# The unit tests, compiled for coverage.
one_unit() {
	local src=$1 name=${1//\//_}
	name=${name%.c}
	# shellcheck disable=SC2086
	if ! $CLANG $COMMON $COVER -I. "$src" "$OUT/cover/lib.a" -lcmocka $LIBS -o "$OUT/cover/unit-$name" 2>/dev/null; then
		echo "left out, as it does not link: $src"
		return 0
	fi
	LLVM_PROFILE_FILE="$OUT/cover/$name.profraw" "$OUT/cover/unit-$name" >/dev/null 2>&1 || true
}
export -f build options one_run one_planted one_profile one_unit one_long one_minimise
export SECONDS_EACH=$seconds

passed=0 failed=0
# Runs one_MODE for all targets, as many at a time as there are cores.
each() {
	local dir status
	dir=$(mktemp -d)
	printf '%s\n' "${targets[@]}" | xargs -P "$JOBS" -I{} bash -c '
		if '"$1"' "$1" >"$2/$1.out" 2>&1; then echo ok >"$2/$1.rc"; else echo bad >"$2/$1.rc"; fi
		cat "$2/$1.out"' - {} "$dir"
	for t in "${targets[@]}"; do
		status=$(cat "$dir/$t.rc" 2>/dev/null || echo bad)
		if [ "$status" = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
	done
	rm -rf "$dir"
}

# Rows of this run replace those of the same targets in docs/results/fuzz.md; the others stay.
results() {
	local file=docs/results/fuzz.md rows
	rows=$(mktemp)
	{
		for t in "${targets[@]}"; do cat "$OUT/log/$t.row" 2>/dev/null || true; done
		grep -E '^\| [a-z0-9_]+ \| [0-9]' "$file" 2>/dev/null || true
	} | awk -F'|' '!seen[$2]++' | sort >"$rows"
	mkdir -p docs/results
	{
		printf '# Fuzzing\n\nWritten by `tools/fuzz.sh --long`: each target runs until it has made 2 million executions and 10 minutes of CPU time have\n'
		printf 'passed without a new edge, or until 40 minutes of CPU time are spent. Edges are what libFuzzer counts as cov, in target and parser.\n'
		printf '%s, libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer.\n\n' "$($CLANG --version | head -n 1)"
		printf '| target | executions | edges | CPU s | of them without a new edge | commit |\n|---|---|---|---|---|---|\n'
		cat "$rows"
	} >"$file.new"
	mv "$file.new" "$file"
	rm -f "$rows"
	echo "written: $file"
}

coverage() {
	local lcov="$OUT/cover/all.lcov" objects=() file floor percent hit all why
	library cover "$COVER"
	rm -f "$OUT"/cover/*.profraw
	printf '%s\n' "${targets[@]}" | xargs -P "$JOBS" -I{} bash -c 'one_profile "$1"' - {}
	find tests -name '*_test.c' | sort | xargs -P "$JOBS" -I{} bash -c 'one_unit "$1"' - {}
	llvm-profdata merge -sparse "$OUT"/cover/*.profraw -o "$OUT/cover/all.profdata"
	for f in "$OUT"/cover/bin-* "$OUT"/cover/unit-*; do
		objects+=(-object "$f")
	done
	llvm-cov export -format=lcov -instr-profile="$OUT/cover/all.profdata" "${objects[@]}" >"$lcov" 2>/dev/null
	for t in "${targets[@]}"; do
		while read -r file; do
			read -r hit all < <(awk -F'[:,]' -v f="$file" '
				/^SF:/ { on = substr($0, length($0) - length(f)) == "/" f || $2 == f }
				on && /^DA:/ { n++; if ($3 > 0) h++ }
				END { print h + 0, n + 0 }' "$lcov")
			[ "$all" -gt 0 ] || continue
			percent=$((hit * 1000 / all))
			floor=950 why=''
			if read -r _ floor why < <(grep -F "$file " fuzz/coverage-exceptions 2>/dev/null); then floor=$((floor * 10)); else floor=950; fi
			printf '%-34s %5d of %5d lines  %3d.%d %%' "$file" "$hit" "$all" $((percent / 10)) $((percent % 10))
			if [ $percent -ge $floor ]; then
				passed=$((passed + 1))
				echo "${why:+  (exception: $why)}"
			else
				failed=$((failed + 1))
				echo "  below $((floor / 10)) %; not covered: lines $(awk -F'[:,]' -v f="$file" '
					/^SF:/ { on = substr($0, length($0) - length(f)) == "/" f || $2 == f }
					on && /^DA:/ && $3 == 0 { printf "%s ", $2 }' "$lcov")"
			fi
		done < <(awk -v t="$t" '$1 == t { for (i = 2; i <= NF; i++) print $i }' fuzz/parsers.txt)
	done
}

case "$mode" in
coverage)
	step "line coverage of the parsers, by committed seeds and unit tests"
	coverage
	;;
*)
	step "compiling with sanitizers"
	library asan "$SANITIZE -fsanitize=fuzzer-no-link"
	step "${#targets[@]} fuzz targets: $mode"
	each "one_$mode"
	[ "$mode" != long ] || results
	;;
esac
echo
tally "$passed" "$failed" 0
closing "$passed" "$failed" 0
