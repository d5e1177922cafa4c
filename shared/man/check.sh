#!/bin/sh
# check.sh - fails when a man page has a mistake, or when pixelfleet.1 leaves out a command or an option of
# commands.def, or one of the exit codes of exits.def.
set -eu
cd "$(dirname "$0")/../.."
page=shared/man/pixelfleet.1 cli=dispatcher/cli bad=0

if command -v mandoc >/dev/null; then
	mandoc -Tlint -W warning shared/man/*.[18] || bad=1
fi
missing() { echo "$page: does not mention $1" >&2; bad=1; }
for option in $(sed -n 's/^.*OPTION([a-z_]*, "\([a-z-]*\)".*/\1/p' $cli/commands.def | sort -u); do
	grep -q -e "Fl -$option" -e ", Fl -$option" $page || missing "--$option"
done
sed -n 's/^COMMAND([a-z_]*, "\([a-z ]*\)".*/\1/p' $cli/commands.def | while read -r command; do
	grep -q "^\.It Cm $command\( \|$\)" $page || echo "$command"
done | { missing=$(cat); [ -z "$missing" ] || { missing "$missing"; exit 1; }; } || bad=1
for code in $(sed -n 's/^EXIT([A-Z_]*, *\([0-9]*\),.*/\1/p' $cli/exits.def); do
	grep -q "^\.It $code$" $page || missing "exit status $code"
done
exit $bad
