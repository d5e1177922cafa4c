#!/bin/sh
# private.sh - a Redis and a PostgreSQL of one's own, for tests, benchmarks and the demo.
#
#   private.sh redis DIR PORT [redis options...]        becomes redis-server, in the foreground
#   private.sh postgres DIR PORT PASSWORD [-c x=y...]   makes a cluster in DIR, becomes postgres
#   private.sh port                                     prints a free TCP port of 127.0.0.1, of those in
#                                                       PRIVATE_PORTS (FIRST-LAST)
#   private.sh scratch DIR                              makes a new folder and prints its name: in DIR, or,
#                                                       when PostgreSQL's user cannot get there, in /tmp
#   private.sh wait-redis PORT | wait-postgres PORT     returns when it answers, at most 30 s
#
# Nothing is left to find or to clean: the caller starts this in the background, and the
# process id it got is the server's. Redis listens on 127.0.0.1:PORT and on DIR/redis.sock;
# PostgreSQL on 127.0.0.1:PORT with PASSWORD for the user pixelfleet, who owns a database of
# that name. A server keeps nothing over its end unless the options say so.
set -eu

# The newest PostgreSQL's programs are not in PATH on Debian.
postgres_bin() {
	# shellcheck disable=SC2012 # version numbers
	ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1
}

in_use() {
	cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -qi ":$(printf %04X "$1") "
}

# Under the range the kernel hands out by itself, so that nobody gets it between here and bind().
port() {
	while p=$(shuf -i "${PRIVATE_PORTS:-20000-32000}" -n 1) && in_use "$p"; do :; done
	echo "$p"
}

unprivileged() {
	if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

scratch() {
	mkdir -p "$1"
	base=$(realpath "$1")
	if [ "$(id -u)" = 0 ] && ! setpriv --reuid="$(unprivileged)" --clear-groups test -x "$base"; then
		base=/tmp
	fi
	dir=$(mktemp -d "$base/private.XXXXXX")
	chmod 755 "$dir"
	echo "$dir"
}

redis() {
	dir=$1 port=$2
	shift 2
	mkdir -p "$dir"
	exec redis-server --bind 127.0.0.1 --port "$port" --unixsocket "$dir/redis.sock" --dir "$dir" \
		--daemonize no --save '' --appendonly no --logfile "$dir/redis.log" "$@"
}

postgres() {
	dir=$1 port=$2 password=$3
	shift 3
	bin=$(postgres_bin)
	[ -n "$bin" ] || { echo "private.sh: no PostgreSQL server under /usr/lib/postgresql" >&2; exit 1; }
	mkdir -p "$dir"
	if [ "$(id -u)" = 0 ]; then     # PostgreSQL refuses to run as root
		user=$(unprivileged)
		self=$(realpath "$0")
		chown -R "$user" "$dir"
		chmod 700 "$dir"
		cd /
		# A change of user forgets the signal that the parent's death was to send.
		exec setpriv ${PRIVATE_PDEATHSIG:+--pdeathsig="$PRIVATE_PDEATHSIG"} --reuid="$user" --regid="$(id -g "$user")" --clear-groups --inh-caps=-all \
			sh -c "$(cat "$self")" private.sh postgres-here "$bin" "$dir" "$port" "$password" "$@"
	fi
	postgres_here "$bin" "$dir" "$port" "$password" "$@"
}

postgres_here() {
	bin=$1 dir=$2 port=$3 password=$4
	shift 4
	cd "$dir"
	if [ ! -d data ]; then
		(umask 077; echo "$password" >password)
		"$bin/initdb" -D data -U pixelfleet --auth=scram-sha-256 --pwfile=password -E UTF8 --locale=C.UTF-8 \
			--no-sync >initdb.log 2>&1 || { cat initdb.log >&2; exit 1; }
		echo 'CREATE DATABASE pixelfleet;' | "$bin/postgres" --single -D data postgres >>initdb.log 2>&1
		rm -f password
	fi
	exec "$bin/postgres" -D data -c listen_addresses=127.0.0.1 -p "$port" -c unix_socket_directories='' \
		-c max_connections=100 -c shared_buffers=64MB -c log_min_messages=warning "$@" >>postgres.log 2>&1
}

# wait_for COMMAND...: until it succeeds, 30 s at most.
wait_for() {
	for _ in $(seq 600); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	echo "private.sh: '$*' did not succeed within 30 s" >&2
	return 1
}

command=${1:?redis, postgres, port, scratch, wait-redis or wait-postgres}
shift
case $command in
redis)         redis "$@" ;;
postgres)      postgres "$@" ;;
postgres-here) postgres_here "$@" ;;
port)          port ;;
scratch)       scratch "$1" ;;
wait-redis)    wait_for redis-cli -p "$1" ping ;;
wait-postgres) wait_for "$(postgres_bin)/pg_isready" -h 127.0.0.1 -p "$1" -d pixelfleet ;;
*)             echo "private.sh: what is '$command'?" >&2; exit 2 ;;
esac
