#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Configures a build folder if needed and compiles: tools/build.sh FOLDER [meson options…]. Silent when there is nothing to do.
. "$(dirname "$0")/lib.sh"

dir=${1:?folder}
shift
if [ ! -f "$dir/build.ninja" ]; then
	meson setup "$dir" "$@" >"$dir.log" 2>&1 || {
		cat "$dir.log" >&2
		rm -rf "$dir" "$dir.log"
		die "meson could not configure $dir"
	}
	mv "$dir.log" "$dir/setup.log"
elif [ $# -gt 0 ]; then
	meson configure "$dir" "$@"
fi
ninja -C "$dir" -n | grep -q 'no work to do' || ninja -C "$dir" -j "$JOBS" --quiet
