#!/bin/sh
# demo.sh - the main job, on a Redis and a PostgreSQL of its own, in build/demo.
#
#   PICTURES='~/Pictures/*.jpg'   your photographs instead of Debian's
#   KEEP=1                        leave everything running, and say how to look around
set -eu
cd "$(dirname "$0")/../.."

private=tests/private.sh
demo=build/demo
default='/usr/share/backgrounds/mate/nature/*.jpg'

heading() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
say()     { printf '%s\n' "$*"; }

# The command as one would type it, then what it prints.
typed() {
	printf '\033[36m$ %s\033[0m\n' "$1"
	eval "$1"
}

wait_for() {
	for _ in $(seq 600); do
		eval "$1" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	say "after 30 s this is still not so: $1" >&2
	tail -n 5 $demo/*.log >&2
	return 1
}

# start NAME COMMAND...: in the background, in a session of its own, so that Ctrl-C reaches only us.
start() {
	name=$1
	shift
	setsid "$@" >>$demo/"$name".log 2>&1 </dev/null &
	echo "$!" >$demo/"$name".pid
}

# What ends it, also for KEEP=1: by process id, last started first.
write_stop() {
	cat >$demo/stop <<-END
	#!/bin/sh
	# Ends what this demo started, and takes its servers' files away.
	cd "$PWD" || exit 1
	for name in worker dispatcher redis postgres; do
		pid=\$(cat $demo/\$name.pid 2>/dev/null) || continue
		case \$name in postgres) signal=INT ;; *) signal=TERM ;; esac
		kill -\$signal "\$pid" 2>/dev/null || :
		for _ in \$(seq 600); do
			kill -0 "\$pid" 2>/dev/null && case \$(cut -d')' -f2 /proc/"\$pid"/stat 2>/dev/null) in ' Z'*) false ;; esac || break
			sleep 0.05
		done
		rm -f $demo/\$name.pid
	done
	rm -rf "$scratch" $demo/env
	END
	chmod +x $demo/stop
}

finish() {
	status=$?
	trap - EXIT INT TERM
	if [ "${KEEP:-}" != 1 ] || [ $status != 0 ]; then
		$demo/stop
	fi
	[ $status = 0 ] || say "the demo failed; its logs are $demo/*.log" >&2
	exit $status
}

copy_pictures() {
	pattern=${PICTURES:-$default}
	# shellcheck disable=SC2088 # given in quotes, it comes to us as it is
	case $pattern in '~/'*) pattern=$HOME/${pattern#'~/'} ;; esac
	mkdir -p $demo/pictures
	n=0
	old_ifs=$IFS
	IFS=''          # the pattern may have blanks; only its wildcards mean something
	for file in $pattern; do
		[ -f "$file" ] || continue
		cp "$file" $demo/pictures/
		last=$demo/pictures/$(basename "$file")
		n=$((n + 1))
		[ $n != 3 ] || broken=$last
	done
	IFS=$old_ifs
	[ $n -gt 0 ] || { say "no picture matches PICTURES='${PICTURES:-$default}'" >&2; exit 1; }
	broken=${broken:-$last}
	say "$n photographs in $demo/pictures/"
}

servers() {
	redis_port=$($private port)
	postgres_port=$($private port)
	http_port=$($private port)
	password=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
	start redis $private redis "$scratch/redis" "$redis_port"
	start postgres $private postgres "$scratch/postgres" "$postgres_port" "$password"
	$private wait-redis "$redis_port"
	$private wait-postgres "$postgres_port"
	cat >$demo/env <<-END
	export PGHOST=127.0.0.1 PGPORT=$postgres_port PGUSER=pixelfleet PGDATABASE=pixelfleet PGPASSWORD=$password
	export PGOPTIONS='-c search_path=pixelfleet' PAGER=
	export REDIS_URL=redis://127.0.0.1:$redis_port/0
	export DATABASE_URL=postgresql://pixelfleet:$password@127.0.0.1:$postgres_port/pixelfleet
	export PROCESSING_INTERNAL_TOKEN=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
	export PIXELFLEET_LISTEN=127.0.0.1:$http_port
	export PIXELFLEET_DISPATCHER_URL=http://127.0.0.1:$http_port
	export PIXELFLEET_DATA_DIR="$PWD/$demo/data"
	export PIXELFLEET_ALLOWED_ROOTS="$PWD/$demo/pictures"
	END
	chmod 600 $demo/env
	# Nothing of the caller's own settings shall get in.
	for name in $(env | sed -nE 's/^(PIXELFLEET_[A-Z_]*|PROCESSING_[A-Z_]*)=.*/\1/p'); do unset "$name"; done
	# shellcheck disable=SC1090,SC1091
	. $demo/env
	say "Redis on port $redis_port, PostgreSQL on port $postgres_port, both only for this demo"
}

state_is() { [ "$(psql -tAc "SELECT state FROM job WHERE client_id = 'demo'")" = "$1" ]; }

# build/demo/results/NN-step-name.jpg: names for people; the files themselves are named by their contents.
link_results() {
	mkdir -p $demo/results
	psql -qtA -F '|' -c "
		SELECT to_char(s.item, 'FM00') || '-' || s.step || '-' || (a ->> 'name'), a ->> 'digest',
			CASE a ->> 'media_type' WHEN 'image/jpeg' THEN 'jpg' WHEN 'text/csv' THEN 'csv'
				ELSE split_part(a ->> 'media_type', '/', 2) END
		FROM step_view s JOIN job j ON j.id = s.job, jsonb_array_elements(s.artifacts) a
		WHERE j.client_id = 'demo' AND s.step <> 'src'" |
	while IFS='|' read -r name digest kind; do
		rest=${digest#??}
		case $name in *".$kind") kind='' ;; *) kind=.$kind ;; esac
		ln -sfn "../data/artifacts/${digest%"$rest"}/$rest" "$demo/results/$name$kind"
	done
}

if [ -x $demo/stop ]; then      # of a KEEP=1 before this one
	$demo/stop
fi
rm -rf $demo
mkdir -p $demo
scratch=$($private scratch $demo)
write_stop
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

heading 'A Redis and a PostgreSQL of our own'
servers
copy_pictures
cp "$broken" $demo/unbroken.jpg
say 'I used to be a photograph.' >"$broken"
say "one of them is broken on purpose: $(basename "$broken")"

heading 'A dispatcher and a worker'
typed 'build/pixelfleet migrate'
start dispatcher build/pixelfleet-dispatcher
start worker build/pixelfleet-worker
wait_for "grep -q ev=dispatcher.ready $demo/dispatcher.log"
wait_for "grep -q ev=worker.ready $demo/worker.log"
typed 'build/pixelfleet workers'

heading 'A pipeline, pushed with redis-cli'
sed "s|@PICTURES@|$PWD/$demo/pictures|" tests/demo/job.json.in >$demo/job.json
typed "cat $demo/job.json"
typed "redis-cli -p $redis_port -x LPUSH pixelfleet:jobs <$demo/job.json"
wait_for "psql -tAc \"SELECT 1 FROM job WHERE client_id = 'demo'\" | grep -q 1"
if [ -t 1 ]; then
	typed 'build/pixelfleet watch demo' || :        # its exit status says partial
else
	typed "build/pixelfleet watch demo | sed -n '1~10p;\$p'"
fi

heading 'What came out, in PostgreSQL'
state_is partial || state_is failed || { say 'the broken picture was not noticed' >&2; exit 1; }
typed "psql -c \"SELECT step, tool, state, count(*), round(avg(ms)::numeric, 1) AS ms FROM step_view GROUP BY 1, 2, 3 ORDER BY min(ordinal), 3\""

heading 'The dead letter, read with redis-cli'
wait_for "redis-cli -p $redis_port LLEN pixelfleet:dlq:io | grep -qx 1"
typed "redis-cli -p $redis_port LRANGE pixelfleet:dlq:io 0 0 | fold -w 110"
say

heading 'Repaired, and put back with LMOVE'
typed "cp $demo/unbroken.jpg '$broken'"
typed "redis-cli -p $redis_port LMOVE pixelfleet:dlq:io pixelfleet:queue:io RIGHT LEFT | cut -c 1-110"
wait_for 'state_is succeeded'
typed 'build/pixelfleet status demo'
typed "psql -c \"SELECT item, image, step, a ->> 'name' AS name, (a ->> 'width') || 'x' || (a ->> 'height') AS size, a ->> 'bytes' AS bytes FROM (SELECT item, regexp_replace(image, '.*/', '') AS image, step, ordinal, jsonb_array_elements(artifacts) AS a FROM step_view WHERE step IN ('thumbs', 'square') AND item < 3) x ORDER BY ordinal, name\""
typed "psql -c \"SELECT data FROM step_view WHERE step = 'sum'\""

heading 'The files'
link_results
say "$(find $demo/results -type l | wc -l) results, by name, in $demo/results/, for example:"
for file in "$demo"/results/00-*; do
	[ -e "$file" ] || continue
	say "  $file -> $(realpath --relative-to=. "$file")"
done

heading 'A contact sheet'
say 'The boxes are invented by detect with "simulate": they show the wiring, not what is in the pictures.'
sheet=$(find $demo/results -name '*-marked-*' | sort | tr '\n' ' ')
typed "vips arrayjoin '${sheet% }' $demo/contact-sheet.jpg[Q=90] --across 4 --shim 6 --background 255" | cut -c 1-150
say "$demo/contact-sheet.jpg: $(vipsheader -f width $demo/contact-sheet.jpg) x $(vipsheader -f height $demo/contact-sheet.jpg) pixels"

if [ "${KEEP:-}" = 1 ]; then
	heading 'Left running; look around'
	cat <<-END
	  . $demo/env                                  the settings, for this shell
	  redis-cli -p $redis_port KEYS 'pixelfleet:*'
	  redis-cli -p $redis_port LRANGE pixelfleet:dlq:io 0 -1
	  psql -c 'TABLE step_view'
	  build/pixelfleet status demo --steps
	  build/pixelfleet submit --id again --watch $demo/job.json
	  curl $PIXELFLEET_DISPATCHER_URL/api/v1/jobs
	  tail -f $demo/dispatcher.log $demo/worker.log
	  $demo/stop                                   ends it
	END
else
	heading 'Done'
	say "The servers are gone; the pictures and results are in $demo/. KEEP=1 make demo leaves all of it running."
fi
