#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make check: what can be said of the sources without running them.

. "$(dirname "$0")/commands.sh" "$@"

TREE=/mnt/cache/build/check

# What checkpatch says of patches, or of code meant for the kernel's own tree, and of a file alone is no use.
IGNORED=(
	FILE_PATH_CHANGES	# asks for MAINTAINERS
	CONFIG_DESCRIPTION	# kunit.config is no Kconfig
	SPDX_LICENSE_TAG	# wants the tag's comment style of the kernel for each suffix
	EMBEDDED_FILENAME
)

# run TEXT COMMAND...: in the copy of the sources, inside the root; what fails is told, and the rest goes on.
run() {
	local text=$1
	shift
	echo "check: $text"
	in_root sh -c 'cd "$1" && shift && exec "$@"' sh "$TREE" "$@" || failed+=("$text")
}

files() {
	(cd "$STATE/build/check" && find . -type f "$@" | sort)
}

clippy() {
	build_module clippy-stock stock "$RUN/clippy" CLIPPY=1 KRUSTFLAGS=-Dwarnings
	build_module clippy-kunit kunit "$RUN/clippy" CLIPPY=1 KRUSTFLAGS=-Dwarnings
}

need_root
need_kernel stock
need_kernel kunit
locked check sync_sources check

failed=()
mapfile -t rust < <(files -name '*.rs')
mapfile -t scripts < <(cd "$STATE/build/check" && grep -rlE -m 1 '^#!/bin/(ba)?sh|^# shellcheck shell=' . | sort)
mapfile -t code < <(files \( -name '*.rs' -o -name '*.[chS]' -o -name '*.sh' -o -name '*.py' -o -name Makefile -o -name Kbuild \))

run "rustfmt, ${#rust[@]} files" rustfmt --edition 2021 --check -l "${rust[@]}"
run "shellcheck, ${#scripts[@]} files" shellcheck "${scripts[@]}"
run "checkpatch, ${#code[@]} files" perl /mnt/cache/source/scripts/checkpatch.pl --no-tree --strict --terse --no-summary \
	--max-line-length=100 --ignore "$(IFS=,; echo "${IGNORED[*]}")" -f "${code[@]}"
run "codespell" codespell --quiet-level=2 --skip=COPYING .
echo "check: every file starts with its licence"
bare=$(cd "$STATE/build/check" && find . -type f -exec sh -c '
	for file; do
		head -n 2 "$file" | grep -q "SPDX-License-Identifier: GPL-2.0" || echo "$file"
	done' sh {} +)
[[ -z $bare ]] || { echo "$bare"; failed+=("licence"); }
stage "check: clippy, for the stock and the KUnit kernel" locked clippy clippy

((${#failed[@]} == 0)) || die "these checks failed: $(IFS=';'; echo "${failed[*]}"): see above"
echo "All checks passed."
