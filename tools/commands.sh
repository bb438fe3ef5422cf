# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The start of every command: sourced as `. commands.sh "$@"`.

SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

. "$SRC/tools/lib.sh"
. "$SRC/tools/root.sh"
. "$SRC/tools/kernel.sh"
. "$SRC/tools/module.sh"
. "$SRC/tools/vm.sh"
become_root "$@"
setup
