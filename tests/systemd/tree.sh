#!/bin/sh
# tree.sh BUILD - a root filesystem of this machine's own Debian release, with systemd, Redis, PostgreSQL and the
# libraries that the programs in BUILD link. Prints its name. It stays under build/ for the next time; whoever
# boots it boots a copy.
#
# The mirror is the one that apt uses here, and the packages of the libraries are found by asking dpkg, because
# their names differ between releases.
set -eu
build=${1:?the folder of the programs}

codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$codename" ] || { echo 'tree.sh: /etc/os-release names no release' >&2; exit 1; }

mirror() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
		awk -v release="$codename" '$1 == release && $2 == "main" { print $3; exit }'
}

# What a program names, not what that in turn needs: apt's dependencies see to the rest.
libraries() {
	for program in "$build"/pixelfleet*; do
		[ -x "$program" ] && [ ! -d "$program" ] || continue
		wanted=$(objdump -p "$program" | awk '$1 == "NEEDED" { print $2 }')
		for library in $wanted; do
			ldd "$program" | awk -v name="$library" '$1 == name { print $3 }'
		done
	done | sort -u
}

packages() {
	for file in $(libraries); do
		# One package, whichever side of the merge of /lib and /usr/lib it says it is on.
		real=$(realpath "$file")
		dpkg -S "$file" "/usr$file" "${file#/usr}" "$real" "${real#/usr}" 2>/dev/null | sed -n '1s/:.*//p'
	done | sort -u
}

mirror=$(mirror)
[ -n "$mirror" ] || { echo "tree.sh: apt has no mirror for $codename main" >&2; exit 1; }
found=$(packages)
[ -n "$found" ] || { echo "tree.sh: dpkg knows no package of the libraries of $build" >&2; exit 1; }
wanted=$(printf '%s\n' systemd systemd-sysv dbus sudo openssl redis-server postgresql "$found" | paste -sd,)

# Another release, list or recipe is another tree.
tree=build/systemd-tree-$codename-$({ echo "$wanted"; cat "$0"; } | sha256sum | cut -c1-12)
if [ ! -d "$tree" ]; then
	new=$tree.new.$$
	trap 'rm -rf --one-file-system "$new" "$new.log"' EXIT
	trap 'exit 130' INT TERM
	rm -rf --one-file-system build/systemd-tree-*
	mkdir -p "$new/etc/dpkg/dpkg.cfg.d" "$new/usr/sbin"
	# Nobody reads manuals there, and nobody minds when a power cut spoils it.
	printf '%s\n' force-unsafe-io path-exclude=/usr/share/doc/* path-exclude=/usr/share/man/* \
		path-exclude=/usr/share/locale/* >"$new/etc/dpkg/dpkg.cfg.d/tree"
	printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d"     # no server starts in there before it is booted
	chmod 755 "$new/usr/sbin/policy-rc.d"
	debootstrap --variant=minbase --include="$wanted" "$codename" "$new" "$mirror" >"$new.log" 2>&1 ||
		{ tail -n 5 "$new.log" >&2; echo "tree.sh: debootstrap could not make a tree of $codename" >&2; exit 1; }
	rm -rf "$new"/var/cache/apt/archives/*.deb "$new"/var/lib/apt/lists/* "$new/usr/sbin/policy-rc.d"
	: >"$new/etc/machine-id"        # each copy gets its own
	mv "$new" "$tree"
fi
echo "$tree"
