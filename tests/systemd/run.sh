#!/bin/sh
# run.sh BUILD - the programs of BUILD under a real systemd: installs them into a tree, boots it in a container and
# tries there what an operator does (see scenario.py). Skips, and says why, where a machine does not allow it.
#
# Everything runs in a process namespace, a mount namespace and control groups of its own. Whatever happens, down to
# kill -9, no process, no mount and no group of it stays; the copy of the tree goes with this script.
set -u
cd "$(dirname "$0")/../.." || exit 1
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
build=${1:?the folder of the programs}
name=pixelfleet-systemd-$$

skip() {
	echo "systemd: skipped: $*"
	exit 0
}

[ "$(id -u)" = 0 ] || skip 'needs root'
for program in debootstrap systemd-nspawn nsenter unshare objdump; do
	command -v $program >/dev/null || skip "$program is not installed"
done
unshare --mount --pid --fork --mount-proc true 2>/dev/null || skip 'no namespaces of our own here'
groups=$(/usr/bin/python3 -B tests/systemd/cgroups.py run "$name-try" true 2>&1) || skip "${groups#skipped: }"

begin=$(date +%s)
tree=$(unshare --mount --propagation private tests/systemd/tree.sh "$build") || skip 'no tree; the lines above say why'
echo "   $tree, $(($(date +%s) - begin)) s"

scratch=$(mktemp -d build/systemd-run.XXXXXX)
trap 'rm -rf --one-file-system "$scratch"' EXIT
child=''
trap '[ -z "$child" ] || kill -TERM "$child"' INT TERM HUP
cp -a "$tree" "$scratch/tree" || exit 1
: >"$scratch/log"                              # for the tail, which may be faster than the child

# A /run of our own, because systemd-nspawn leaves its propagation folders there.
# shellcheck disable=SC2016 # the inner shell's
/usr/bin/python3 -B tests/systemd/cgroups.py run "$name" \
	unshare --mount --propagation private --pid --fork --kill-child=KILL --mount-proc \
	sh -c 'mount -t tmpfs tmpfs /run && exec "$@"' sh \
	/usr/bin/python3 -B tests/systemd/scenario.py "$build" "$scratch/tree" "$build/systemd_probe" >"$scratch/log" 2>&1 &
child=$!
tail -f --pid=$child "$scratch/log" &
wait $child
status=$?
# A signal ends the wait before the child.
while kill -0 $child 2>/dev/null; do wait $child; status=$?; done
wait
case $status in
77) skip "$(sed -n 's/^skipped: //p' "$scratch/log" | tail -n 1)" ;;
esac
exit $status
