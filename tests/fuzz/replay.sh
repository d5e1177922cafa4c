#!/bin/sh
# replay.sh BUILD NAME... - gives each target the files of its corpus; names those that break it.
set -u
cd "$(dirname "$0")/../.." || exit 1

build=$1
shift
inputs=0
failed=0
for target; do
	set -- tests/fuzz/corpus/"$target"/*
	[ -f "$1" ] || { echo "tests/fuzz/corpus/$target: no files"; failed=$((failed + 1)); continue; }
	inputs=$((inputs + $#))
	targets=$((${targets:-0} + 1))
	timeout 60 "$build/fuzz_$target" "$@" >"$build/replay.log" 2>&1 && continue
	found=$failed
	for file; do
		timeout 10 "$build/fuzz_$target" "$file" >"$build/replay.log" 2>&1 && continue
		failed=$((failed + 1))
		echo "FAILED: $build/fuzz_$target $file"
		cat "$build/replay.log"
	done
	# Only all of them together.
	[ $failed != $found ] || { failed=$((failed + 1)); echo "FAILED: $build/fuzz_$target $*"; }
done
echo "replay: $inputs inputs of ${targets:-0} targets, $failed failed"
[ $failed = 0 ]
