#!/bin/sh
# Makes the Python environment of the tests in a cache outside the repository, once for each
# version of requirements.txt; `make venv` calls it. It holds the official `openai` client and
# `aics-tlog`, a verifier of transparency logs that nobody here wrote.
#
#   setup.sh            make it if needed; prints its directory on stdout
#   setup.sh --check    never touches the network: exit 0 if it is there
set -eu

say() { printf '%s\n' "python environment: $*" >&2; }
die() { say "$*"; exit 1; }

here=$(cd "$(dirname "$0")" && pwd)
[ -n "${XDG_CACHE_HOME:-}" ] || [ -n "${HOME:-}" ] || die "neither XDG_CACHE_HOME nor HOME is set"
stamp=$(cat "$here/requirements.txt" "$here/setup.sh" | cksum | cut -d ' ' -f 1)
home=${XDG_CACHE_HOME:-$HOME/.cache}/troth/python-$stamp

if [ -f "$home/ready" ]; then
	printf '%s\n' "$home"
	exit 0
fi
[ "${1:-}" != "--check" ] || die "not there: run \`make venv\`"

python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 || die "$python is not on PATH"
"$python" -m pip --version >/dev/null 2>&1 || die "$python has no pip (Debian: apt-get install python3-pip)"

rm -rf "$home"
mkdir -p "$home"
say "making it (once)"
# Without pip inside: Debian splits `ensurepip` off into a package of its own, and the pip that is
# there can install into another environment.
"$python" -m venv --without-pip "$home" || die "$python cannot make a virtual environment"
"$python" -m pip --python "$home/bin/python" install --quiet --disable-pip-version-check --no-input \
	--no-deps --only-binary :all: --requirement "$here/requirements.txt" >&2 ||
	die "pip could not install requirements.txt: is a package index reachable from here?"

# Declares Python 3.12 and runs on 3.11: fetched as a file, opened only if it is the pinned one.
wheel=aics_tlog-0.2.1-py3-none-any.whl
wheel_sha256=e8cd2be003001576353bbd1a139b68252baf85df8e5d356c5ff26f3c417efdfc
"$python" -m pip download --quiet --no-deps --disable-pip-version-check --no-input \
	--python-version 3.13 --only-binary :all: --dest "$home" aics-tlog==0.2.1 >&2 ||
	die "pip could not download aics-tlog"
[ -f "$home/$wheel" ] || die "pip downloaded no $wheel"
printf '%s  %s\n' "$wheel_sha256" "$home/$wheel" | sha256sum --check --status ||
	die "$wheel does not have the pinned SHA-256: refused"
"$home/bin/python" -m zipfile -e "$home/$wheel" "$home/aics-tlog"
"$home/bin/python" -c 'import openai, cryptography' || die "the packages do not import"
: >"$home/ready"
printf '%s\n' "$home"
