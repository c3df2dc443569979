#!/bin/sh
# Builds `tlogcheck`, a verifier on Go's packages for transparency logs, into a cache outside the
# repository, once for each version of its source; prints its path. What it needs of the system
# is installed when it is missing; nothing else is fetched.
set -eu

say() { printf '%s\n' "go verifier: $*" >&2; }
die() { say "$*"; exit 1; }

here=$(cd "$(dirname "$0")" && pwd)
[ -n "${XDG_CACHE_HOME:-}" ] || [ -n "${HOME:-}" ] || die "neither XDG_CACHE_HOME nor HOME is set"
stamp=$(cat "$here/main.go" "$here/install.sh" | cksum | cut -d ' ' -f 1)
home=${XDG_CACHE_HOME:-$HOME/.cache}/troth/go-$stamp

if [ -x "$home/tlogcheck" ]; then
	printf '%s\n' "$home/tlogcheck"
	exit 0
fi
sh "$here/../tools.sh" >&2
command -v go >/dev/null 2>&1 || die "there is no go (Debian: apt-get install golang-go)"
mkdir -p "$home"
# Debian's packages of Go sources are a GOPATH: no module is looked for, and no network.
made=$home/tlogcheck.$$
GO111MODULE=off GOPATH=/usr/share/gocode GOFLAGS= GOCACHE=$home/cache CGO_ENABLED=0 \
	go build -o "$made" "$here/main.go" >&2 || die "it does not build"
# Whole or not there: tests that run at once may build it at once.
mv "$made" "$home/tlogcheck"
rm -rf "$home/cache"
printf '%s\n' "$home/tlogcheck"
