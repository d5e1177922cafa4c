#!/bin/sh
# check_env.sh - fails when pixelfleet.env and shared/conf.def do not tell the same story: a setting that is
# missing in the file, a default that differs, a name that is no setting.
set -eu
cd "$(dirname "$0")/.."
conf=shared/conf.def env=systemd/pixelfleet.env bad=0

# NAME=default of each CONF row; the default has no comma or quote inside it that matters here.
settings=$(sed -n 's/^CONF([^,]*, "\([A-Z0-9_]*\)", [A-Z]*, \("\([^"]*\)"\|NULL\),.*/\1=\3/p' $conf)
[ "$(printf '%s\n' "$settings" | wc -l)" -eq "$(grep -c '^CONF(' $conf)" ] || {
	echo "check_env.sh: cannot read every row of $conf" >&2
	exit 1
}
for setting in $settings; do
	grep -qxF -e "#$setting" $env && continue
	echo "$env: missing, or with another default: #$setting" >&2
	bad=1
done
for name in $(sed -n 's/^#\{0,1\}\([A-Z][A-Z0-9_]*\)=.*/\1/p' $env); do
	printf '%s\n' "$settings" | grep -q "^$name=" && continue
	echo "$env: $name is no setting of $conf" >&2
	bad=1
done
exit $bad
