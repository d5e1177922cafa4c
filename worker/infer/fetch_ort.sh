#!/bin/sh
# fetch_ort.sh OUTDIR - makes ONNX Runtime available to the build:
#
#   OUTDIR/include/onnxruntime_c_api.h     what worker/infer is compiled with
#   OUTDIR/include/ort_soname.h            the name that the system's loader would know the library by
#   OUTDIR/lib/libonnxruntime.so.1         what pixelfleet-infer loads at run time; a link when it is the system's own
#   OUTDIR/ready                           last: everything is there
#
# Where from, the first that there is:
#   1. ORT_DIR=DIR, with include/ and lib/ as in the official archives: for other machines, and for those without a network
#   2. the system's own, through pkg-config (Debian 13: libonnxruntime-dev)
#   3. the library from the npm package onnxruntime-node (the official build for CPUs; `npm pack` runs no scripts), the header
#      from the next Debian release's libonnxruntime-dev. A header older than the library is right: each library
#      knows all earlier versions of the API.
# npm and apt ask whatever mirrors and proxies this machine is set up with. What they bring is compared with
# checksums. No root is needed, nothing is installed.
set -eu
umask 022

version=1.24.3                          # later builds look up a host for telemetry
package_sum=aa1bb5fa261ea68de05dd53efbba210cd7adf2d2850f4c3a201054c74cc78040
header_sum=7783e9664bdb0b1b36145b5c8587dd1bc9a399aa000edf2e3dd03003cafc6882

out=${1:?usage: fetch_ort.sh OUTDIR}
mkdir -p "$out"
out=$(cd "$out" && pwd)
so=$out/lib/libonnxruntime.so.1
header=$out/include/onnxruntime_c_api.h

die() {
	echo "fetch_ort.sh: $*" >&2
	echo "fetch_ort.sh: with an ONNX Runtime of your own (include/ and lib/, version $version at most): ORT_DIR=DIR make" >&2
	exit 1
}

# try WHAT COMMAND...: three times, what it said only when it failed. Networks are unhelpful now and then.
try() {
	what=$1
	shift
	for pause in 2 8 0; do
		! "$@" >"$tmp/said" 2>&1 || return 0
		[ $pause = 0 ] || sleep $pause
	done
	tail -n 5 "$tmp/said" >&2
	die "$what: no success in three tries; the last said the above"
}

has_sum() { echo "$2  $1" | sha256sum -c --quiet - >/dev/null 2>&1; }

# Others may build at the same time.
exec 9>"$out/lock"
flock 9
if [ -e "$out/ready" ] && [ -z "$(find "$0" -newer "$out/ready")" ]; then
	exit 0
fi
rm -f "$out/ready"
mkdir -p "$out/lib" "$out/include"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM
chmod 755 "$tmp"

# ready SONAME
ready() {
	printf '#define ORT_SONAME "%s"\n' "$1" >"$out/include/ort_soname.h"
	touch "$out/ready"
	exit 0
}

# take_from LIBDIR INCLUDEDIR: links the library, copies the header.
take_from() {
	lib=$1/libonnxruntime.so
	[ -e "$lib" ] || die "there is no $lib"
	[ -e "$2/onnxruntime_c_api.h" ] || die "there is no $2/onnxruntime_c_api.h"
	cp "$2"/onnxruntime_*c_api.h "$out/include/"
	real=$(readlink -f "$lib")
	ln -sfn "$real" "$so"
	ready "$(basename "$real")"
}

if [ -n "${ORT_DIR:-}" ]; then
	take_from "$ORT_DIR/lib" "$ORT_DIR/include"
fi
if pkg-config --exists libonnxruntime 2>/dev/null; then
	for dir in $(pkg-config --cflags-only-I libonnxruntime | sed 's/-I//g') /usr/include/onnxruntime /usr/include; do
		[ ! -e "$dir/onnxruntime_c_api.h" ] || take_from "$(pkg-config --variable=libdir libonnxruntime)" "$dir"
	done
	die 'pkg-config knows libonnxruntime, and its onnxruntime_c_api.h is not to be found'
fi

fetch_library() {
	case $(uname -m) in
	x86_64)  machine=x64 ;;
	aarch64) machine=arm64 ;;
	*)       die "the npm package onnxruntime-node has no library for $(uname -m)" ;;
	esac
	command -v npm >/dev/null || die 'npm is not here, which would bring the library: tests/setup.sh build'
	pack=$tmp/onnxruntime-node-$version.tgz
	pack_it() { (cd "$tmp" && npm pack --silent "onnxruntime-node@$version"); }
	try "npm pack onnxruntime-node@$version" pack_it
	has_sum "$pack" $package_sum || die "onnxruntime-node-$version.tgz from npm is not what it was: its checksum differs"
	inside=package/bin/napi-v6/linux/$machine/libonnxruntime.so.1
	tar -xzf "$pack" -C "$tmp" "$inside"
	rm -f "$so"
	mv "$tmp/$inside" "$so"
}

# A package list of our own, of the next release, on the mirror that this release comes from.
fetch_header() {
	command -v apt-get >/dev/null || die 'there is no apt-get here, which would bring the header'
	keys=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -e $keys ] || die "there is no $keys (package debian-archive-keyring) to check the header's package with"
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	# shellcheck disable=SC2016 # $(SITE) is apt's
	site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Codename: $codename" | sort -u | head -n 1)
	[ -n "$site" ] || die "apt knows no mirror of '$codename', so none of the release whose header is needed"
	mkdir -p "$tmp/lists/partial" "$tmp/cache/archives/partial" "$tmp/parts"
	echo "deb [signed-by=$keys] $site trixie main" >"$tmp/sources.list"
	try "apt-get update of trixie" private_apt update
	download_it() { (cd "$tmp" && rm -f ./*.deb && private_apt download libonnxruntime-dev); }
	try 'apt-get download libonnxruntime-dev' download_it
	dpkg -x "$tmp"/libonnxruntime-dev_*.deb "$tmp/dev"
	has_sum "$tmp/dev/usr/include/onnxruntime/onnxruntime_c_api.h" $header_sum ||
		die "onnxruntime_c_api.h of Debian's libonnxruntime-dev is not what it was: its checksum differs"
	mv "$tmp/dev/usr/include/onnxruntime/onnxruntime_c_api.h" "$header"
}

private_apt() {
	apt-get -qq -o Dir::Etc::sourcelist="$tmp/sources.list" -o Dir::Etc::sourceparts="$tmp/parts" -o Dir::State::lists="$tmp/lists" \
		-o Dir::Cache="$tmp/cache" -o APT::Sandbox::User= -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

[ -e "$out/fetched" ] && [ "$(cat "$out/fetched")" = "$version $package_sum $header_sum" ] && ready libonnxruntime.so.1
echo "fetching ONNX Runtime $version (once; about 100 MB)"
fetch_library
fetch_header
echo "$version $package_sum $header_sum" >"$out/fetched"
ready libonnxruntime.so.1
