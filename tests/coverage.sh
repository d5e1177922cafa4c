#!/bin/sh
# coverage.sh BUILD - line coverage of the three code folders, from the counters in BUILD.
set -eu
cd "$(dirname "$0")/.."
build=${1:?the build folder}

summary=$build/coverage.txt
gcovr --root . --object-directory "$build" --filter 'dispatcher/' --filter 'worker/' --filter 'shared/' \
	--exclude-unreachable-branches --exclude 'build/' --gcov-ignore-parse-errors --txt "$summary" \
	--html-details "$build/coverage.html" "$build" 2>"$build/gcovr.log" || { cat "$build/gcovr.log" >&2; exit 1; }

awk '
	/^(dispatcher|worker|shared)\// && $2 ~ /^[0-9]+$/ {
		split($1, p, "/")
		lines[p[1]] += $2; hit[p[1]] += $3; all += $2; all_hit += $3
		printf "  %-44s %6d lines %6.1f %%\n", $1, $2, $2 ? 100 * $3 / $2 : 100
	}
	END {
		print ""
		n = split("dispatcher worker shared", folder)
		for (i = 1; i <= n; i++)
			if (lines[folder[i]])
				printf "line coverage of %-11s %6.1f %%  (%d of %d)\n", folder[i] "/", 100 * hit[folder[i]] / lines[folder[i]], hit[folder[i]], lines[folder[i]]
		if (all)
			printf "line coverage, total       %6.1f %%  (%d of %d)\n", 100 * all_hit / all, all_hit, all
	}' "$summary"
echo "line by line: $build/coverage.html"
