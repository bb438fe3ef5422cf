#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make check: what can be said of the sources without running them.

. "$(dirname "$0")/commands.sh" "$@"

TREE=/mnt/cache/build/check

# run TEXT COMMAND...: in the copy of the sources, inside the root; what fails is told, and the
# rest goes on.
run() {
	local text=$1
	shift
	echo "check: $text"
	in_root sh -c 'cd "$1" && shift && exec "$@"' sh "$TREE" "$@" || failed+=("$text")
}

files() {
	(cd "$STATE/build/check" && find . -type f "$@" | sort)
}

run_clippy() {
	local kernel
	for kernel in stock kunit; do
		build_module "clippy-$kernel" "$kernel" "$RUN/clippy" \
			SAMPLES=m CLIPPY=1 KRUSTFLAGS=-Dwarnings
	done
}

need_root
need_kernel stock
need_kernel kunit
locked check sync_sources check

failed=()
checkpatch=(perl /mnt/cache/source/scripts/checkpatch.pl --no-tree --strict --terse --no-summary)
mapfile -t rust < <(files -name '*.rs')
mapfile -t scripts < <(cd "$STATE/build/check" &&
	grep -rlE -m 1 '^#!/bin/(ba)?sh|^# shellcheck shell=' . | sort)
sources=(-name '*.rs' -o -name '*.[chS]' -o -name '*.py' -o -name Makefile -o -name Kbuild)
mapfile -t code < <(files \( "${sources[@]}" \))
code+=("${scripts[@]}")

run "rustfmt, ${#rust[@]} files" rustfmt --edition 2021 --check -l "${rust[@]}"
run "shellcheck, ${#scripts[@]} files" shellcheck "${scripts[@]}"
run "checkpatch, ${#code[@]} files" "${checkpatch[@]}" --max-line-length=100 -f "${code[@]}"
# Nd is a macro of man pages.
run "codespell" codespell --quiet-level=2 --skip=COPYING --ignore-words-list=nd .
# The middle one may be a heading.
run "what a merge has left" sh -c 'grep -rnE "^(<{7}|[|]{7}|>{7})( |$)" .; [ $? = 1 ]'
echo "check: every file starts with its licence"
bare=$(cd "$STATE/build/check" && find . -type f -exec sh -c '
	for file; do
		head -n 2 "$file" | grep -q "SPDX.License.Identifier: GPL-2.0" || echo "$file"
	done' sh {} +)
[[ -z $bare ]] || { echo "$bare"; failed+=("licence"); }
stage "check: clippy, for the stock and the KUnit kernel" locked clippy run_clippy

((${#failed[@]} == 0)) || die "these checks failed: $(IFS=';'; echo "${failed[*]}"): see above"
echo "All checks passed."
