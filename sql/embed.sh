#!/bin/sh
# embed.sh migrations|lua FILE... : print text files as a C table, migrations[] or lua_scripts[].
set -eu
what=$1
shift
quoted() { sed 's/\\/\\\\/g; s/"/\\"/g; s/^/\t\t"/; s/$/\\n"/' "$1"; }

case $what in
migrations)
	printf '#include "migrations.h"\n\nconst struct migration migrations[] = {\n'
	v=0
	for f; do
		v=$((v + 1)) name=$(basename "$f" .sql)
		case $name in
		$(printf '%04d' "$v")_*) ;;
		*) echo "embed.sh: expected $(printf '%04d' "$v")_*.sql, found $f" >&2; exit 1 ;;
		esac
		printf '\t{ %d, "%s",\n' "$v" "$name"
		quoted "$f"
		printf '\t},\n'
	done
	printf '};\n\nconst size_t nmigrations = %d;\n' "$v"
	;;
lua)
	printf '#include "lua.h"\n\nconst struct lua_script lua_scripts[] = {\n'
	for f; do
		printf '\t{ "%s",\n' "$(basename "$f" .lua)"
		quoted "$f"
		printf '\t},\n'
	done
	printf '};\n\nconst size_t nlua_scripts = %d;\n' "$#"
	;;
esac
