#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make stock: the module for Debian's stock kernel.

. "$(dirname "$0")/commands.sh" "$@"

need_root
need_kernel stock
need_module stock "$STATE/modules$OF_FLAVOUR"
echo "$STATE/modules$OF_FLAVOUR/user_session_keyring.ko is for $RELEASE"
