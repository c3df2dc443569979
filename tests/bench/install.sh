#!/bin/sh
# What the bench compares with and loads with: `nginx` and `wrk`, from the system's packages.
set -eu

missing=
for program in nginx wrk; do
	PATH=$PATH:/usr/sbin command -v "$program" >/dev/null 2>&1 || missing="$missing $program"
done
[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null 2>&1 || {
	printf '%s\n' "bench: not installed:$missing" >&2
	exit 1
}
run=
[ "$(id -u)" = 0 ] || run=sudo
$run apt-get update -qq
DEBIAN_FRONTEND=noninteractive $run apt-get install -qq --yes --no-install-recommends $missing
