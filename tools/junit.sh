#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Reads JUnit reports: tools/junit.sh cmocka|pytest FILE EXITCODE prints "passed failed skipped".
# A missing report, or a runner that failed without naming a test, counts as one failure.
. "$(dirname "$0")/lib.sh"

# Meson reports one case per binary; inside it cmocka says how many functions it runs and which were OK. What it did not
# report as OK or skipped has failed, so a crash in the middle counts every function that it took down.
cmocka() {
	awk '
	function close_case() {
		if (!open) return
		bad = total - ok - skip
		if (total == 0) { if (fail) bad = 1; else if (skipped) skip = 1; else ok = 1; }
		if (fail && bad <= 0) bad = 1
		p += ok; f += (bad > 0 ? bad : 0); s += skip
		open = 0
	}
	{
		line = $0
		while (match(line, /<testcase |<\/testcase>|<failure|<error|<skipped|<system-err>|\[==========\] Running [0-9]+ test|\[       OK \]|\[  SKIPPED \] [A-Za-z_]/)) {
			m = substr(line, RSTART, RLENGTH); line = substr(line, RSTART + RLENGTH)
			if (m == "<testcase ") { close_case(); open = 1; total = ok = skip = fail = skipped = err = 0 }
			else if (m == "<failure" || m == "<error") fail = 1
			else if (m == "<skipped") skipped = 1
			else if (m == "<system-err>") err = 1 # where cmocka lists the skipped ones once more
			else if (m ~ /Running/) { split(m, w, " "); total += w[3] }
			else if (m ~ /OK/) ok++
			else if (m ~ /SKIPPED/ && !err) skip++
			else if (m == "</testcase>") close_case()
		}
	}
	END { close_case(); print p + 0, f + 0, s + 0 }' "$1"
}

pytest() {
	awk '
	function attribute(name, text) {
		if (match(text, " " name "=\"[0-9]+\"")) return substr(text, RSTART + length(name) + 3, RLENGTH - length(name) - 4) + 0
		return 0
	}
	match($0, /<testsuite [^>]*>/) {
		t = substr($0, RSTART, RLENGTH)
		n += attribute("tests", t); bad += attribute("failures", t) + attribute("errors", t); s += attribute("skipped", t)
	}
	END { print n - bad - s, bad + 0, s + 0 }' "$1"
}

if [ "$1" = words ]; then
	# shellcheck disable=SC2086
	set -- $2
	printf '%d passed, %d failed, %d skipped\n' "$1" "$2" "$3"
	exit 0
fi
kind=$1 file=$2 rc=$3
if [ ! -f "$file" ]; then
	echo "0 1 0"
	exit 0
fi
read -r p f s < <("$kind" "$file")
if [ "$rc" -ne 0 ] && [ "$f" -eq 0 ]; then
	f=1
fi
echo "$p $f $s"
