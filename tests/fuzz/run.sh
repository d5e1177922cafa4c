#!/bin/sh
# run.sh BUILD SECONDS NAME... - runs each fuzzer so long. What is new and interesting stays in
# build/fuzz/grown/NAME for the next run; what breaks something in build/fuzz/found/NAME-*.
set -u
cd "$(dirname "$0")/../.." || exit 1

build=$1 seconds=$2
shift 2
mkdir -p "$build/found"
broken=0
for target; do
	corpus=tests/fuzz/corpus/$target
	mkdir -p "$build/grown/$target"
	log=$build/grown/$target.log
	if "$build/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$build/found/$target-" "$build/grown/$target" "$corpus" >"$log" 2>&1; then
		echo "fuzz: $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, no finding"
	else
		broken=$((broken + 1))
		tail -n 60 "$log"
		echo "fuzz: $target: FOUND, see $log; copy the input to $corpus/ with the fix"
	fi
done
echo "fuzz: $# targets, $seconds s each, $broken with findings"
[ $broken = 0 ]
