#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Refuse a kernel tree that the module cannot be built against, in one line: why, and what to do.
# Usage: check-kdir.sh KDIR

kdir=$1
config=$kdir/include/config/auto.conf
stock="(Debian's stock kernel: make stock)"

refuse() {
	echo "error: $*" >&2
	exit 1
}

[ -e "$kdir/Makefile" ] ||
	refuse "KDIR=$kdir is no kernel build folder:" \
		"install the kernel's headers or set KDIR $stock"
[ -e "$config" ] ||
	refuse "KDIR=$kdir is not configured: run make modules_prepare there"

# As in 7.3.4+deb13-amd64; what is newer is left to the compiler.
release=$(cat "$kdir/include/config/kernel.release" 2>/dev/null) || release=
[ "$(printf '%s\n' 7.2 "$release" | sort -V | head -n 1)" = 7.2 ] ||
	refuse "the kernel of KDIR=$kdir is ${release:-of no release}, older than 7.2:" \
		"use a newer one $stock"

for option in RUST LIVEPATCH FPROBE KEYS USER_NS DEBUG_FS; do
	grep -qx "CONFIG_$option=y" "$config" ||
		refuse "the kernel of KDIR=$kdir is built without CONFIG_$option:" \
			"use a kernel that has it (Debian's stock kernel does: make stock)"
done

[ -e "$kdir/rust/libkernel.rmeta" ] ||
	refuse "KDIR=$kdir has no Rust metadata (rust/libkernel.rmeta):" \
		"install the package that has it, or run make modules_prepare" \
		"in the kernel's source $stock"

wanted=$(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT="*\([^"]*\)"*$/\1/p' "$config")
have=$("${RUSTC:-rustc}" --version 2>/dev/null) ||
	refuse "${RUSTC:-rustc} does not run: install $wanted, or set RUSTC $stock"
[ "$have" = "$wanted" ] ||
	refuse "the kernel of KDIR=$kdir was built by $wanted, not by $have:" \
		"set RUSTC to that very compiler $stock"
