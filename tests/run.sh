#!/bin/sh
# run.sh - what `make test` runs: every stage, whether or not the one before passed, and at
# the end what each runner said about itself. Exit status 0 only when all of them passed.
set -u
cd "$(dirname "$0")/.." || exit 1

logs=build/test-logs
rm -rf $logs
mkdir -p $logs
jobs=$(nproc)
failed=''

# stage NAME TARGET...: its output goes to the screen and to $logs/NAME.log.
stage() {
	name=$1
	shift
	printf '\n== %s\n' "$name"
	begin=$(date +%s)
	{ "${MAKE:-make}" --no-print-directory "$@" 2>&1; echo $? >$logs/status; } | tee "$logs/$name.log"
	read -r status <$logs/status
	[ "$status" = 0 ] || failed="$failed $name"
	echo "($(($(date +%s) - begin)) s)" >>"$logs/$name.log"
}

# beside NAME TARGET...: in the background, into the log alone; meet NAME shows it when it has ended. For what mostly waits.
beside() {
	name=$1
	shift
	{
		begin=$(date +%s)
		"${MAKE:-make}" --no-print-directory "$@" >"$logs/$name.log" 2>&1 </dev/null
		echo $? >"$logs/$name.status"
		echo "$(($(date +%s) - begin)) s" >>"$logs/$name.log"
	} &
}

meet() {
	printf '\n== %s\n' "$1"
	wait
	cat "$logs/$1.log"
	read -r status <"$logs/$1.status"
	rm -f "$logs/$1.status"
	[ "$status" = 0 ] || failed="$failed $1"
}

# Only the lines in which a runner counts.
totals() {
	grep -hE '^\[  (PASSED|FAILED)  \] ([a-z]+: )?[0-9]+ test|^ *[0-9]+ FAILED TEST|^=+ .*(passed|failed|error|no tests).* =+$|^(replay|faults|systemd): ' "$1" ||
		echo "no totals; see $1"
}

stage build   -j"$jobs" MODE=rel all
stage style   MODE=rel check-style
stage faults  -j"$jobs" MODE=faults all
stage san     -j"$jobs" MODE=san build/san/unit
stage unit    MODE=san run-unit
stage replay  -j"$jobs" MODE=san run-replay
stage tsan    -j"$jobs" MODE=tsan build/tsan/unit
stage threads MODE=tsan run-threads
beside systemd MODE=rel run-systemd
stage integration MODE=rel run-integration
meet systemd
stage faults-rounds MODE=faults run-test-faults ROUNDS=20 SEED=test
rm -f $logs/status

printf '\n== totals\n'
printf 'build, lint, headers:     %s\n' "$(case " $failed " in *' build '*|*' style '*|*' faults '*) echo FAILED ;; *) echo passed ;; esac)"
printf 'unit tests, ASan + UBSan: %s\n' "$(totals $logs/unit.log)"
printf 'fuzz corpora, ASan+UBSan: %s\n' "$(totals $logs/replay.log)"
printf 'unit tests, TSan:         %s\n' "$(totals $logs/threads.log)"
printf 'integration tests:        %s\n' "$(totals $logs/integration.log)"
printf 'rounds of faults:         %s\n' "$(totals $logs/faults-rounds.log)"
printf 'on a real systemd:        %s\n' "$(totals $logs/systemd.log)"
if [ -n "$failed" ]; then
	echo "FAILED:$failed"
	exit 1
fi
echo 'all passed'
