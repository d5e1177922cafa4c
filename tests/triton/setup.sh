#!/bin/sh
# setup.sh FOLDER - a real Triton Inference Server in FOLDER, from the wheel nvidia-pytriton (Linux on x86-64, glibc 2.35 and
# later; it carries the server and its Python backend). pip takes it from wherever this machine's configuration says.
# Run again, it does nothing.
set -eu
folder=${1:?"usage: setup.sh FOLDER"}
wheels='nvidia-pytriton==0.7.0 h2'

[ "$(cat "$folder/installed" 2>/dev/null || :)" != "$wheels" ] || exit 0
rm -rf "$folder"
mkdir -p "$folder"
/usr/bin/python3 -m venv "$folder/venv" >&2
echo "installing $wheels into $folder/venv" >&2
# shellcheck disable=SC2086 # a list
PIP_DISABLE_PIP_VERSION_CHECK=1 "$folder/venv/bin/pip" install --quiet --no-input --only-binary :all: $wheels >&2

# The backend wants its stub for this Python beside itself.
version=$("$folder/venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
site=$folder/venv/lib/python$version/site-packages
server=$site/pytriton/tritonserver
stub=$server/python_backend_stubs/$version/triton_python_backend_stub
[ -x "$stub" ] || { echo "setup.sh: the wheel has no backend for Python $version" >&2; exit 1; }
mkdir -p "$folder/backends/python"
cp "$server"/backends/python/libtriton_python.so "$server"/backends/python/triton_python_backend_utils.py "$stub" "$folder/backends/python/"
ln -s "$(realpath "$site")" "$folder/site"
echo "$wheels" >"$folder/installed"
