#!/bin/sh
# Fetches the ONNX Runtime shared library into a cache outside the repository,
# once. The only thing Troth needs that Cargo cannot fetch; `make runtime` calls it.
#
# The library is taken from the Python package of the same project, by name and
# version, with whatever index pip is configured for. Neither that index nor the
# network is trusted: the wheel must have the SHA-256 below before it is opened,
# and the library inside it the SHA-256 below before it is put in place. Nothing
# is installed: pip only downloads one file into a temporary directory.
#
#   fetch.sh            fetch if needed; prints the library's path on stdout
#   fetch.sh --check    never touches the network: exit 0 if the cache is good
set -eu

package=onnxruntime
version=1.31.1
library=libonnxruntime.so.$version

say() { printf '%s\n' "onnxruntime: $*" >&2; }
die() { say "$*"; exit 1; }

case "$(uname -s)" in
Linux) ;;
*) die "no pinned library for $(uname -s): install ONNX Runtime $version and set TROTH_ONNXRUNTIME to its shared library" ;;
esac

machine=$(uname -m)
case "$machine" in
x86_64 | amd64)
	platform=manylinux_2_28_x86_64
	wheel_sha256=5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f
	library_sha256=fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3
	;;
aarch64 | arm64)
	platform=manylinux_2_28_aarch64
	wheel_sha256=da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3
	library_sha256=8aa3b76b28c778a2b1dd660d34161adb1d508c9ccd04ff9dc80e26eca5df8467
	;;
*) die "no pinned library for $machine: build ONNX Runtime $version and set TROTH_ONNXRUNTIME to its shared library" ;;
esac

[ -n "${XDG_CACHE_HOME:-}" ] || [ -n "${HOME:-}" ] || die "neither XDG_CACHE_HOME nor HOME is set: no cache to put the library in"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/troth/onnxruntime/$version

# digest FILE: its SHA-256, lower-case hex.
digest() {
	if command -v sha256sum >/dev/null 2>&1; then
		sha256sum "$1" | cut -d ' ' -f 1
	elif command -v shasum >/dev/null 2>&1; then
		shasum -a 256 "$1" | cut -d ' ' -f 1
	else
		die "neither sha256sum nor shasum is on PATH"
	fi
}

if [ -f "$cache/$library" ]; then
	if [ "$(digest "$cache/$library")" = "$library_sha256" ]; then
		printf '%s\n' "$cache/$library"
		exit 0
	fi
	# A torn or altered file in the cache is never loaded; it is replaced below.
	say "$cache/$library does not have the pinned digest"
fi
[ "${1:-}" != "--check" ] || die "not in the cache: run \`make runtime\`"

python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 || die "$python is not on PATH (needed, with pip, to fetch the library)"
"$python" -m pip --version >/dev/null 2>&1 || die "$python has no pip (Debian: apt-get install python3-pip)"

mkdir -p "$cache" || die "cannot create $cache"
# Inside the cache, so that the last step is a rename within one file system:
# two runs at once each put a whole, verified file in place.
work=$(mktemp -d "$cache/.fetch.XXXXXX") || die "cannot write in $cache"
trap 'rm -rf "$work"' EXIT
trap 'exit 130' HUP INT TERM

say "fetching $package $version for $machine (once)"
"$python" -m pip download --quiet --no-deps --only-binary :all: --disable-pip-version-check \
	--python-version 3.11 --implementation cp --platform "$platform" \
	--dest "$work" "$package==$version" >&2 ||
	die "pip could not download $package $version: is a package index reachable from here?"

wheel=
for found in "$work"/*.whl; do
	[ -f "$found" ] && wheel=$found
done
[ -n "$wheel" ] || die "pip downloaded no wheel of $package $version"
found_sha256=$(digest "$wheel")
[ "$found_sha256" = "$wheel_sha256" ] ||
	die "the wheel of $package $version has SHA-256 $found_sha256, not the pinned $wheel_sha256: refused"

"$python" - "$wheel" "$package/capi/$library" "$work/$library" <<'PY' || die "the wheel holds no readable $library"
import shutil, sys, zipfile

wheel, member, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, open(target, "wb") as out:
    shutil.copyfileobj(source, out, 1 << 20)
PY
found_sha256=$(digest "$work/$library")
[ "$found_sha256" = "$library_sha256" ] ||
	die "$library has SHA-256 $found_sha256, not the pinned $library_sha256: refused"
chmod 0644 "$work/$library"
mv -f "$work/$library" "$cache/$library" || die "cannot write $cache/$library"
say "ready"
printf '%s\n' "$cache/$library"
