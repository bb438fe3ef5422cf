# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The tests once more in the kernels that watch. Storms and leaks are short there, always.

test_end_to_end_kasan() {
	test_payload end-to-end-kasan kasan run 1800 1800
}

test_storms_kasan() {
	SIZE=short test_payload storms-kasan kasan storms.sh 1500 1500 slab_nomerge
}

# Without slab_debug, allocated objects are referred to for long by the sheaves they came from.
test_leaks() {
	SIZE=short test_payload leaks kasan leaks.sh 1500 1500 kmemleak=on slab_debug=F slab_nomerge
}

# KCSAN watches for as long as a delay lasts, in which somebody else has to run. With the TSC a
# delay is a loop with a pause in it, at which QEMU turns to the other processor. How fast it counts
# cannot be found out there, nor does it matter.
KCSAN_DELAYS=(tsc_early_khz=2000000 tsc=unstable)

test_storms_kcsan() {
	SIZE=short test_payload storms-kcsan kcsan storms.sh 1500 1500 \
		slab_nomerge "${KCSAN_DELAYS[@]}"
	tell_foreign_races storms-kcsan
}

# tell_foreign_races KIND: those that do not count are in a file.
tell_foreign_races() {
	local dir
	dir=$(results "$1")
	foreign_races list "$dir/console.log" | sort | uniq -c > "$dir/foreign"
	echo "# measured: $1: kinds of data races that are not about keyrings:" \
		"$(wc -l < "$dir/foreign")" | tee -a "$dir/tap"
}
