# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Random programs over the key calls, without the module and with it, in the stock kernel. Much of
# it waits for grace periods, which are made short.

test_differential() {
	test_payload differential stock differential.sh 900 3000 \
		rcutree.jiffies_till_first_fqs=0 rcutree.jiffies_till_next_fqs=0
}
