#!/bin/sh
# setup.sh [build|demo|test|triton|models|tokens|peers|fuzz] - installs what is missing on Debian 12 or 13, and only that.
#
# With nothing missing it asks dpkg once and touches no network. Redis and PostgreSQL are
# wanted for their programs: the services that their packages would start stay off, and no
# database cluster is made, on a machine that did not have them before.
# shellcheck disable=SC2086,SC2116 # lists of words, split on purpose
set -eu
# A root by way of a plain su has no sbin, and dpkg refuses to work without.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

build='build-essential pkgconf libhiredis-dev libjansson-dev libcurl4-openssl-dev libvips-dev libpq-dev
	libsodium-dev libmicrohttpd-dev libseccomp-dev libtesseract-dev'
# shellcheck source=/dev/null
release=$(. /etc/os-release 2>/dev/null && echo "${VERSION_ID:-}")
# ONNX Runtime is a package since Debian 13. On 12 npm brings the library (worker/infer/fetch_ort.sh): Debian's npm, unless a
# Node.js from elsewhere has brought one, with which that is in conflict.
if [ "$release" != 12 ]; then
	build="$build libonnxruntime-dev"
elif [ -z "${ORT_DIR:-}" ] && ! command -v npm >/dev/null; then
	build="$build npm"
fi
demo="$build libvips-tools redis-server redis-tools postgresql mate-backgrounds curl"
test="$demo libcmocka-dev python3 python3-pytest python3-pytest-xdist python3-redis python3-psycopg2 python3-numpy python3-onnx python3-opencv python3-pil tesseract-ocr-eng tesseract-ocr-jpn tesseract-ocr-chi-sim
	fonts-dejavu fonts-liberation fonts-noto-cjk fonts-ipafont gcovr shellcheck debootstrap systemd-container"
triton="$test python3-venv openssl"
models="$test python3-torch"
tokens="$build python3 python3-pip"
peers="$test python3-celery"
command -v node >/dev/null || { models="$models nodejs" tokens="$tokens nodejs" peers="$peers nodejs"; }
command -v npm >/dev/null || { models="$models npm" tokens="$tokens npm" peers="$peers npm"; }
fuzz="$build clang libclang-rt-dev llvm"
# Since Debian 13 the encoders of HEIC and AVIF, of which the tests make pictures, are packages of their own.
[ "$release" = 12 ] || test="$test libheif-plugin-x265 libheif-plugin-aomenc"

profile=${1:-build}
case $profile in
build) wanted=$build ;;
demo)  wanted=$demo ;;
test)  wanted=$test ;;
triton) wanted=$triton ;;
models) wanted=$models ;;
tokens) wanted=$tokens ;;
peers) wanted=$peers ;;
fuzz)  wanted=$fuzz ;;
*)     echo "setup.sh: profile '$profile' is none of build, demo, test, triton, models, tokens, peers, fuzz" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	cat >&2 <<-END
	setup.sh: this machine has no apt, so nothing can be installed from here.
	These Debian packages, or what your system calls them, are needed for '$profile':
	$(echo $wanted | fmt -w 90)
	END
	# Whoever has them by other names may go on.
	[ "${SETUP:-}" = skip ] && exit 0
	echo "When they are there: make $profile SETUP=skip" >&2
	exit 1
fi

missing_of() {
	{ dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null || :; } | awk -v wanted="$*" '
		$1 == "installed" { have[$2] = 1 }
		END { n = split(wanted, w); for (i = 1; i <= n; i++) if (!(w[i] in have)) print w[i] }'
}

missing=$(missing_of $wanted)
[ -n "$missing" ] || exit 0
missing=$(echo $missing)
echo "installing what '$profile' needs: $missing"

root=''
if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || {
		echo "setup.sh: run as root, or install by hand: apt-get install --no-install-recommends $missing" >&2
		exit 1
	}
	root=sudo
fi

policy=/usr/sbin/policy-rc.d
cluster_dir=/etc/postgresql-common/createcluster.d
cluster_conf=$cluster_dir/pixelfleet-setup.conf
made_policy=''
made_conf=''

tidy() {
	[ -z "$made_policy" ] || $root rm -f $policy
	if [ -n "$made_conf" ]; then
		$root rm -f $cluster_conf
		$root rmdir --ignore-fail-on-non-empty $cluster_dir 2>/dev/null || :
	fi
}
trap tidy EXIT
trap 'exit 130' INT TERM

if [ ! -e $policy ]; then
	made_policy=1
	printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null
	$root chmod 755 $policy
fi
if ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1; then
	made_conf=1
	$root mkdir -p $cluster_dir
	echo 'create_main_cluster = false' | $root tee $cluster_conf >/dev/null
fi

apt() { $root env DEBIAN_FRONTEND=noninteractive PATH="$PATH" apt-get -qq -o DPkg::Lock::Timeout=300 "$@"; }

# Another's list that cannot be fetched, or that is being fetched, need not be the one that counts.
apt update || echo 'setup.sh: apt-get update failed; going on with the lists that are there' >&2
log=$(dirname "$0")/../build/setup.log
mkdir -p "$(dirname "$log")"
apt -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold install --no-install-recommends $missing \
	>"$log" 2>&1 || { cat "$log" >&2; exit 1; }

# A server that was not there before shall not start at the next boot either.
case " $missing " in
*' redis-server '*) $root update-rc.d redis-server disable >/dev/null 2>&1 || : ;;    # units and init scripts
esac

missing=$(missing_of $wanted)
[ -z "$missing" ] || { echo "setup.sh: still missing after the install: $missing" >&2; exit 1; }
