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
	SIZE=short test_payload leaks kasan leaks.sh 1500 1500 kmemleak=on slab_debug=F
}

test_end_to_end_kcsan() {
	test_payload end-to-end-kcsan kcsan run 1800 1800
	tell_foreign_races end-to-end-kcsan
}

test_storms_kcsan() {
	SIZE=short test_payload storms-kcsan kcsan storms.sh 1500 1500 slab_nomerge
	tell_foreign_races storms-kcsan
}

# tell_foreign_races KIND: those that do not count.
tell_foreign_races() {
	local dir number
	dir=$(results "$1")
	number=$(foreign_races count "$dir/console.log")
	echo "# measured: $1: data races that are not about keyrings: $number" | tee -a "$dir/tap"
}
