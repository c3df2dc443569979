#!/bin/sh
# The system's programs that tests run, from Debian's packages, installed when they are missing.
set -eu

missing=
for program in faketime strace; do
	command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
command -v go >/dev/null 2>&1 || missing="$missing golang-go"
[ -d /usr/share/gocode/src/golang.org/x/mod/sumdb ] || missing="$missing golang-golang-x-mod-dev"
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null 2>&1 || {
	printf '%s\n' "tests: not installed:$missing" >&2
	exit 1
}
run=
[ "$(id -u)" = 0 ] || run=sudo
$run apt-get update -qq
# shellcheck disable=SC2086 # one word for each package
DEBIAN_FRONTEND=noninteractive $run apt-get install -qq --yes --no-install-recommends $missing
