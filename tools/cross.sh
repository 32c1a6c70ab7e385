#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds core, host and the command line for other processors, runs the unit tests under qemu-user, and the command over
# recorded evidence, where it must print what the command of this machine prints:
#: tools/cross.sh [arm64|armhf|s390x]…   (all three; s390x is there because it is big-endian)
# The cross compilers are Debian's; the libraries of the other architecture are unpacked into build-cross/ARCH/root by an apt
# of its own, so nothing of this system changes. qemu-user has no seccomp, so what runs there is the same command without its
# confinement (tests/meson.build). Ends with "N passed, N failed": unit tests and commands, all architectures.
. "$(dirname "$0")/lib.sh"

case ${1:-} in
--help | -h)
	sed -n 's/^#: //p' "$0"
	exit 0
	;;
esac
archs=("$@")
[ $# -gt 0 ] || archs=(arm64 armhf s390x)
PACKAGES=(libssl3 libssl-dev libseccomp2 libseccomp-dev libsqlite3-0 libsqlite3-dev libyaml-0-2 libyaml-dev libtss2-esys-3.0.2-0 libtss2-mu0 libtss2-sys1 libtss2-dev libcmocka0 libcmocka-dev libp11-kit-dev libsystemd0 libsystemd-dev)

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
c_args = ['-isystem', '$include', '-isystem', '$include/$triplet', $flags]
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

# quote KEY BOOT: the options of a recorded quote.
quote() {
	echo "--msg F/$2/quote-$1.msg --sig F/$2/quote-$1.sig --pub F/$2/ak-$1.tpm2b_public --eventlog F/$2/binary_bios_measurements --ima F/$2/ima.binary"
}

# What the command is asked: arguments without the program's name, one command a line; F is tests/fixtures.
commands() {
	local d log ima key
	for d in sbon-good grub-sbms-good coreboot-good uboot-arm64-good sboff-tampered-cmdline sbon-attackerkey-tampered; do
		for log in "F/$d/binary_bios_measurements" "F/$d/cbmem-tpm2-tcglog.bin"; do
			[ ! -f "tests/fixtures${log#F}" ] || echo "inspect eventlog --json $log"
		done
		for ima in binary ascii; do
			[ ! -f "tests/fixtures/$d/ima.$ima" ] || echo "inspect ima --json F/$d/ima.$ima"
		done
	done
	for key in ecc rsa; do
		for d in sbon-good sboff-tampered-cmdline; do
			echo "inspect quote --json $(quote $key $d) --pcrs F/$d/quote-$key.pcrs"
			echo "reference capture --name good $(quote $key $d)"
			echo "appraise --json --reference REFERENCE $(quote $key $d)"
		done
	done
	echo "inspect ekcert --json F/sbon-good/ek-rsa2048.crt.der"
	echo "inspect eventlog --json F/sbon-good/quote-ecc.msg"
}

# The command under qemu against that of this machine: standard output, standard error and exit code.
command_agrees() {
	local dir=$1 line rc n=0 bad=0 reference="$ROOT/build-cross/good.json"
	local args side theirs=("$qemu" -L "/usr/$triplet" -E "LD_LIBRARY_PATH=$dir/root/usr/lib/$triplet" "$dir/build/tests/chainhold_unconfined")
	# shellcheck disable=SC2046
	build/chainhold reference capture --name good $(quote ecc sbon-good | sed 's|F/|tests/fixtures/|g') >"$reference"
	# The time of an appraisal differs.
	while read -r line; do
		line=${line// F\// tests/fixtures/}
		read -ra args <<<"${line/REFERENCE/$reference}"
		for side in ours theirs; do
			rc=0
			if [ $side = ours ]; then build/chainhold "${args[@]}"; else "${theirs[@]}" "${args[@]}"; fi >"$dir/$side" 2>&1 || rc=$?
			sed -i '/^  "iat": /d' "$dir/$side"
			echo "exit $rc" >>"$dir/$side"
		done
		n=$((n + 1))
		if ! cmp -s "$dir/ours" "$dir/theirs"; then
			bad=$((bad + 1))
			echo "chainhold $line"
			diff "$dir/ours" "$dir/theirs" | head -n 10
		fi
	done < <(commands)
	echo "$arch: the command ran $n times, $bad of them with another result than here"
	passed=$((passed + n - bad)) failed=$((failed + bad))
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
	command_agrees "$dir"
}
# What was built: the ELF header's own words.
file_line() { "$triplet-readelf" -h "$1" | awk -F: '/Class|Data|Machine/ { gsub(/^ +/, "", $2); printf "%s%s", sep, $2; sep = ", " } END { print "" }'; }

tools/build.sh build
rm -f build-cross/good.json
for a in "${archs[@]}"; do
	cross "$a"
done
echo
tally "$passed" "$failed" "$skipped"
closing "$passed" "$failed" "$skipped"
