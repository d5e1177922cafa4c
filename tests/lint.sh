#!/bin/sh
# What the compiler cannot check. Prints each complaint as FILE:LINE: TEXT; silence is success.
set -u
cd "$(dirname "$0")/.." || exit 1

code() { find shared worker dispatcher tests -name '*.[ch]' | sort; }
text() { find Makefile README.md dispatcher worker shared sql systemd tests .ci -type f 2>/dev/null |
	grep -vE '/__pycache__/|\.(pyc|jpg|jpeg|png|webp|tif|tiff|gif|icc)$|/corpus/' | sort; }

banned() {
	code | xargs grep -nE '(^|[^a-z_])(strcpy|strcat|strncpy|strncat|sprintf|vsprintf|strtok|atoi|atol|atof|gets|localtime|gmtime|ctime|alloca|tmpnam|mktemp|system|popen) ?\(' |
		sed 's/$/   <- banned function/'
	code | grep -v '^tests/' | xargs grep -nE '(^|[^a-z_])(malloc|calloc|realloc|strdup|strndup|asprintf) ?\(' |
		grep -v '^shared/base\.c:' | sed 's/$/   <- may fail; use the one of base.h/'
}

# A tool is its row, its file and its test.
tools() {
	sed -nE 's/^TOOL\(([a-z_]+), *"[^"]*", *"[^"]*", *[A-Z]+, *(PARENT|RUNNER),.*/\1 \2/p' shared/tools.def |
	while read -r name runs; do
		case $runs in RUNNER) file=worker/runner/tool_$name test=tool_$name ;; *) file=worker/flow_$name test=flow_$name ;; esac
		[ -f "$file.c" ] || echo "shared/tools.def:1: tool $name has no $file.c"
		[ -f "tests/unit/test_$test.c" ] || echo "shared/tools.def:1: tool $name has no tests/unit/test_$test.c"
	done
	for f in worker/runner/tool_*.c worker/flow_*.c; do
		[ -f "$f" ] || continue
		tool=${f##*/tool_} tool=${tool##*/flow_} tool=${tool%.c}
		grep -q "^TOOL($tool," shared/tools.def || echo "$f:1: tool $tool is not in shared/tools.def"
	done
}

faults() {
	code | xargs grep -noE '[^a-z_]fault\("[^"]+"\)' | while IFS=: read -r file line call; do
		point=${call#*\"} point=${point%\"*}
		grep -qF "\"$point\"" shared/fault.def || echo "$file:$line: fault \"$point\" is not in shared/fault.def"
	done
	sed -nE 's/^FAULT\(([a-z_]+, *)?"([^"]+)".*/\2/p' shared/fault.def | while read -r name; do
		code | xargs grep -qF "\"$name\"" || echo "shared/fault.def:1: no code asks for fault \"$name\""
	done
}

settings() {
	sed -nE 's/^CONF\([a-z_]+, *"([A-Z_0-9]+)".*/\1/p' shared/conf.def | while read -r name; do
		grep -qE "^#? ?$name=" systemd/pixelfleet.env 2>/dev/null ||
			echo "shared/conf.def:1: setting $name is not explained in systemd/pixelfleet.env"
	done
}

shape() {
	text | xargs grep -nE '[ 	]+$' | sed 's/$/   <- blank at the end of the line/'
	text | grep -v '^tests/lint\.sh$' | xargs grep -nE '(TO''DO|FIX''ME|(^|[^X])X''XX([^X]|$))' | sed 's/$/   <- unfinished/'
	code | while read -r f; do
		[ "$(wc -l <"$f")" -le 600 ] || echo "$f:601: over 600 lines; find the second noun in it"
	done
	code | grep '\.c$' | xargs awk '
		FNR == 1 { start = 0 }
		/^\{/ { start = FNR }
		/^\}/ { if (start && FNR - start - 1 > 80) print FILENAME ":" start ": function of " FNR - start - 1 " lines; 80 is the most"; start = 0 }'
	for f in *; do
		case $f in Makefile|README.md|dispatcher|worker|shared|sql|systemd|tests|build) ;;
		*) echo "$f:1: does not belong in the top folder" ;;
		esac
	done
}

scripts() {
	command -v shellcheck >/dev/null || return 0
	text | xargs grep -lE '^#!/bin/(ba)?sh' | xargs shellcheck -x -S warning -f gcc | sed 's/$/   <- shellcheck/'
}

! { banned; tools; faults; settings; shape; scripts; } | grep .
