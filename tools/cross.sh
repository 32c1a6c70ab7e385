#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds core, host and the command line for other processors and runs the unit tests under qemu-user:
#: tools/cross.sh [arm64|armhf|s390x]…   (all three; s390x is there because it is big-endian)
# The cross compilers are Debian's; the libraries of the other architecture are unpacked into build-cross/ARCH/root by an apt
# of its own, so nothing of this system changes. Ends with "N passed, N failed": unit tests, all architectures.
. "$(dirname "$0")/lib.sh"

case ${1:-} in
--help | -h)
	sed -n 's/^#: //p' "$0"
	exit 0
	;;
esac
archs=("$@")
[ $# -gt 0 ] || archs=(arm64 armhf s390x)
PACKAGES=(libssl3 libssl-dev libseccomp2 libseccomp-dev libcmocka0 libcmocka-dev)

# Sets triplet, family, cpu, endian, qemu, flags.
describe() {
	flags="'-D_FILE_OFFSET_BITS=64'"
	case $1 in
	arm64) triplet=aarch64-linux-gnu family=aarch64 cpu=aarch64 endian=little qemu=qemu-aarch64-static ;;
	armhf)
		triplet=arm-linux-gnueabihf family=arm cpu=armv7 endian=little qemu=qemu-arm-static
		# The year 2038 is within the life of what is built today.
		flags="$flags, '-D_TIME_BITS=64'"
		;;
	s390x) triplet=s390x-linux-gnu family=s390x cpu=s390x endian=big qemu=qemu-s390x-static ;;
	*) die "no such architecture: $1 (arm64 armhf s390x)" ;;
	esac
}

# Unpacks the libraries of architecture $1 into $2/root.
fetch() {
	local arch=$1 dir=$2 opt
	[ ! -f "$dir/root/complete" ] || return 0
	rm -rf "$dir/root" "$dir/apt"
	mkdir -p "$dir/root" "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$dir/apt/debs"
	: >"$dir/apt/status"
	opt=(-o "APT::Architecture=$arch" -o "APT::Architectures::=$arch" -o "Dir::State=$dir/apt" -o "Dir::State::lists=$dir/apt/lists"
		-o "Dir::State::status=$dir/apt/status" -o "Dir::Cache=$dir/apt/cache" -o APT::Sandbox::User=root -qq)
	echo "fetching for $arch: ${PACKAGES[*]}"
	# A mirror may lack the newest index of an architecture; what it has is enough, and a download is verified either way.
	apt-get "${opt[@]}" update >"$dir/apt/log" 2>&1 || true
	(cd "$dir/apt/debs" && apt-get "${opt[@]}" download "${PACKAGES[@]}") >>"$dir/apt/log" 2>&1 || {
		tail -n 15 "$dir/apt/log" >&2
		return 1
	}
	for deb in "$dir"/apt/debs/*.deb; do
		dpkg-deb -x "$deb" "$dir/root"
	done
	touch "$dir/root/complete"
	rm -rf "$dir/apt"
}

machine_file() {
	local dir=$1 lib="$1/root/usr/lib/$triplet" include="$1/root/usr/include"
	cat >"$dir/machine.ini" <<INI
[binaries]
c = '$triplet-gcc'
ar = '$triplet-ar'
strip = '$triplet-strip'
pkgconfig = 'pkg-config'
exe_wrapper = ['$qemu', '-L', '/usr/$triplet', '-E', 'LD_LIBRARY_PATH=$lib']
[built-in options]
c_args = ['-I$include', '-I$include/$triplet', $flags]
c_link_args = ['-L$lib', '-Wl,-rpath-link,$lib']
[properties]
pkg_config_libdir = '$lib/pkgconfig'
sys_root = '$dir/root'
[host_machine]
system = 'linux'
cpu_family = '$family'
cpu = '$cpu'
endian = '$endian'
INI
}

passed=0 failed=0 skipped=0
cross() {
	local arch=$1 dir="$ROOT/build-cross/$1" rc=0 counts
	describe "$arch"
	step "$arch ($triplet, $endian-endian): build, then unit tests under ${qemu}"
	mkdir -p "$dir"
	if ! fetch "$arch" "$dir"; then
		echo "$arch: Debian's mirror did not give the libraries; nothing was built"
		failed=$((failed + 1))
		return
	fi
	machine_file "$dir"
	if ! { tools/build.sh "build-cross/$arch/build" --cross-file "$dir/machine.ini"; } 2>&1; then
		echo "$arch: does not compile"
		failed=$((failed + 1))
		return
	fi
	file_line "build-cross/$arch/build/chainhold"
	meson test -C "build-cross/$arch/build" --no-rebuild --print-errorlogs -t 20 >"$dir/test.log" 2>&1 || rc=$?
	[ $rc -eq 0 ] || grep -vE '^ *[0-9]+/[0-9]+ .* OK' "$dir/test.log" | tail -n 60
	counts=$(tools/junit.sh cmocka "build-cross/$arch/build/meson-logs/testlog.junit.xml" "$rc")
	echo "$arch: $(tools/junit.sh words "$counts")"
	# shellcheck disable=SC2086
	set -- $counts
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}
# What was built: the ELF header's own words.
file_line() { "$triplet-readelf" -h "$1" | awk -F: '/Class|Data|Machine/ { gsub(/^ +/, "", $2); printf "%s%s", sep, $2; sep = ", " } END { print "" }'; }

for a in "${archs[@]}"; do
	cross "$a"
done
echo
tally "$passed" "$failed" "$skipped"
closing "$passed" "$failed" "$skipped"
