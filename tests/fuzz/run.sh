#!/bin/sh
# Fuzzes what reads others' bytes, one target after another, and prints a table; `make fuzz`
# calls it. What is found grows outside the sources; `keep` brings the smallest set that covers as
# much back into `corpus/`, which plain `cargo test` replays.
#
#   run.sh [TARGET]...         fuzz all targets, or these, for FUZZ_SECONDS each (20)
#   run.sh keep [TARGET]...    minimise what was found and pack it into corpus/
set -eu

say() { printf '%s\n' "fuzz: $*" >&2; }
die() { say "$*"; exit 1; }

here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../target}/fuzz
found=$target/found
seconds=${FUZZ_SECONDS:-20}
cargo=${CARGO:-cargo}
python=${PYTHON:-python3}

keep=
if [ "${1:-}" = keep ]; then
	keep=1
	shift
fi
# shellcheck disable=SC2046 # one word for each target
[ $# -gt 0 ] || set -- $(ls "$here/corpus")

"$cargo" +nightly --version >/dev/null 2>&1 ||
	die "no nightly compiler: run \`rustup toolchain install nightly\`"
"$cargo" fuzz --version >/dev/null 2>&1 || "$cargo" install --locked cargo-fuzz >&2 ||
	die "cargo-fuzz could not be installed"

fuzz() {
	command=$1
	shift
	(cd "$here" && "$cargo" +nightly fuzz "$command" --fuzz-dir . --target-dir "$target" "$@")
}

for name; do
	[ -f "$here/targets/$name.rs" ] || die "there is no target \`$name\`"
	"$python" "$here/corpus.py" unpack "$here/corpus/$name" "$found/$name"
done

if [ -n "$keep" ]; then
	for name; do
		kept=$target/kept/$name
		rm -rf "$kept"
		mkdir -p "$kept"
		# One input for each edge, not for each count of how often it is taken: less than half the size.
		fuzz run "$name" "$kept" "$found/$name" -- -set_cover_merge=1 -use_counters=0 >&2
		"$python" "$here/corpus.py" pack "$kept" "$here/corpus/$name"
	done
	exit 0
fi

fuzz build >&2
printf '%-12s %8s %12s %10s %8s\n' target seconds executions coverage corpus
for name; do
	log=$target/$name.log
	if ! fuzz run "$name" "$found/$name" -- -max_total_time="$seconds" -timeout=20 \
		-print_final_stats=1 >"$log" 2>&1; then
		tail -n 40 "$log" >&2
		die "\`$name\` failed: add the input to $found/$name, mend the fault, run \`keep\`"
	fi
	# libFuzzer's last line of progress: `#N DONE cov: C ft: F corp: K/S ...`.
	awk -v name="$name" -v seconds="$seconds" '
		$2 == "DONE" {
			for (i = 1; i < NF; i++) at[$i] = $(i + 1)
			split(at["corp:"], corpus, "/")
			printf "%-12s %8d %12d %10d %8d\n", name, seconds, substr($1, 2), at["cov:"], corpus[1]
		}' "$log"
done
