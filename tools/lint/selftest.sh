#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Gate of the gates: in a copy of the tree each rule is broken once, and its gate must say so and name the file.
. "$(dirname "$0")/../lib.sh"

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z -co --exclude-standard | xargs -0 -I{} find {} -maxdepth 0 -type f -print0 2>/dev/null | tar -c --null -T - | tar -x -C "$copy"
cd "$copy" || exit 1
git init -q .
mkdir build
bad=0

# planted GATE FILE: the gate, run in the copy, must fail and name FILE, which is then put back as it was.
planted() {
	local out
	if out=$("tools/lint/$1.sh" 2>&1); then
		echo "tools/lint/$1.sh:1: did not notice what was planted in $2"
		bad=1
	elif ! grep -qF "${2##*/}" <<<"$out"; then
		echo "tools/lint/$1.sh:1: failed without naming $2: $(head -n 1 <<<"$out")"
		bad=1
	fi
	if [ -f "$2.kept" ]; then mv "$2.kept" "$2"; else rm -f "$2"; fi
}
keep() { cp -p "$1" "$1.kept"; }

keep core/base/span.c
sed -i 's|#include <string.h>|#include <string.h>\n#include "host/base/mem.h"|' core/base/span.c
planted includes core/base/span.c
keep core/base/text.c
sed -i 's|#include "core/base/text.h"|#include "core/base/text.h"\n#include <stdio.h>|' core/base/text.c
planted includes core/base/text.c
keep core/crypto/hmac.c
printf 'void ch_x(char *to, const char *from);\nvoid ch_x(char *to, const char *from)\n{\n\tmemcpy(to, from, 3);\n}\n' >>core/crypto/hmac.c
planted banned core/crypto/hmac.c
keep host/sys/sandbox.c
printf 'void *ch_x(void);\nvoid *ch_x(void)\n{\n\treturn malloc(3);\n}\n' >>host/sys/sandbox.c
planted banned host/sys/sandbox.c
keep core/base/wr.c
for i in $(seq 2000); do printf '#ifdef CH_X%d\n#endif\n' "$i"; done >>core/base/wr.c
planted ifs core/base/wr.c
keep core/base/err.c
{
	printf 'int ch_x(int a);\nint ch_x(int a)\n{\n'
	for i in $(seq 110); do printf '\ta += %d;\n' "$i"; done
	printf '\treturn a;\n}\n'
} >>core/base/err.c
planted sizes core/base/err.c
keep cli/main.c
for i in $(seq 900); do echo "/* line $i */"; done >>cli/main.c
planted sizes cli/main.c
keep host/base/file.c
sed -i 's|^\treturn CH_OK;|return   CH_OK;|' host/base/file.c
planted format host/base/file.c
keep host/base/mem.c
sed -i '1d' host/base/mem.c
planted spdx host/base/mem.c
keep server/keeper/sql.h
sed -i 's|WHERE tenant = $1 AND seq = $2")|WHERE seq = $2")|' server/keeper/sql.h
planted sql server/keeper/sql.h
keep host/store/schema.c
sed -i 's|sha256 BYTEA NOT NULL, size BIGINT|sha256 BLOB NOT NULL, size INTEGER|' host/store/schema.c
planted sql host/store/schema.c
printf '# TO''DO: later\n' >docs/later.md
planted words docs/later.md
printf '/* SPDX-License-Identifier: Apache-2.0 */\n' >core/base/unlisted.c
planted sources core/base/unlisted.c
printf '/* SPDX-License-Identifier: Apache-2.0 */\n\n#define CH_LONG_ENOUGH_TO_COUNT_AS_A_SOURCE "%0600d"\n' 0 >core/wire/unfuzzed.c
planted parsers core/wire/unfuzzed.c
printf '[gone](nowhere.md)\n' >docs/link.md
planted docs docs/link.md
keep docs/man/chainhold.1
echo '.It Fl Fl no-such-option' >>docs/man/chainhold.1
planted docs docs/man/chainhold.1
printf 'see /ho''me/me/notes\n' >docs/mine.md
git add -A
planted provenance docs/mine.md
keep core/crypto/sig.c
printf 'int ch_counter;\nint ch_counter = 1;\n' >>core/crypto/sig.c
planted freestanding core/crypto/sig.c
keep core/crypto/hash.c
printf 'int printf(const char *f, ...);\nint ch_x(void);\nint ch_x(void)\n{\n\treturn printf("no");\n}\n' >>core/crypto/hash.c
planted freestanding core/crypto/hash.c
keep cli/inspect.c
printf 'int ch_x(void);\nint ch_x(void)\n{\n\tint a[3] = { 0 };\n\treturn a[4];\n}\n' >>cli/inspect.c
planted cppcheck cli/inspect.c
exit $bad
