#!/bin/sh
# install.sh FOLDER - puts the Node.js packages of package.json into FOLDER/node_modules, once.
#
# Debian 12's Node.js is 18; what no longer runs there is taken in the version that `beforeNode20` names.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"

node -e '
	const stated = require(process.argv[1]);
	const old = Number(process.versions.node.split(".")[0]) < 20;
	const dependencies = { ...stated.dependencies, ...(old ? stated.beforeNode20 : {}) };
	console.log(JSON.stringify({ private: true, dependencies }, null, 2));
' "$here/package.json" >package.json.new
if [ -d node_modules/bullmq ] && cmp -s package.json.new package.json; then
	rm package.json.new
	exit 0
fi
rm -rf node_modules package.json
# The packages' own install scripts have nothing to do: sharp comes with its libvips as a package.
mv package.json.new package.json
npm install --no-package-lock --ignore-scripts --no-audit --no-fund --silent || { rm -f package.json; exit 1; }
