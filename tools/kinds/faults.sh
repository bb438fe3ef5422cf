# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Every allocation fails in its turn, in kernels that can do that.

test_faults() {
	test_payload faults kunit faults.sh 1200 1200 slab_nomerge
}

test_faults_kasan() {
	test_payload faults-kasan kasan faults.sh 1500 1500 slab_nomerge
}
