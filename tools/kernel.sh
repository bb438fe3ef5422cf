# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The kernel trees that modules are built against, each beside one pristine source. To be sourced.
#   $STATE/source   linux-source as Debian ships it
#   $STATE/stock    the stock kernel's configuration, prepared for modules
#   $STATE/kunit    the KUnit kernel, built

need_source() {
	[[ -e $STATE/source ]] || stage "kernel source: unpack" locked source unpack_source
}

unpack_source() {
	local partial=$STATE/source.partial-$$
	[[ ! -e $STATE/source ]] || return 0
	mkdir "$partial"
	in_root tar -C "$(inside "$partial")" --strip-components=1 \
		-xf "/usr/src/linux-source-$KERNEL_SERIES.tar.xz"
	mv -T "$partial" "$STATE/source"
}

# need_kernel stock|kunit
need_kernel() {
	local kind=$1 made
	made=$STATE/$kind.made
	if [[ $kind = stock ]]; then
		[[ ! -e $made ]] || return 0
		need_source
		stage "stock kernel: prepare for modules" locked stock prepare_stock
	else
		! cmp -s "$SRC/config/kunit.config" "$made" || return 0
		need_source
		stage "KUnit kernel: build" locked kunit build_kunit
	fi
}

kmake() {
	local out=$1
	shift
	in_root make -s -j"$(nproc)" -C "$(inside "$STATE/source")" O="$(inside "$out")" "$@"
}

# setting OPTION CONFIG: the line about it.
setting() {
	grep "^CONFIG_$1=" "$2" || true
}

# Headers of Debian leave out the metadata of the kernel crate. Preparing the very source with the
# very configuration makes it again, with the same hashes if compiler and release are the same.
prepare_stock() {
	local out=$STATE/stock config=$ROOT/usr/lib/modules/$RELEASE/config got option version
	[[ ! -e $STATE/stock.made ]] || return 0
	mkdir -p "$out"
	cp "$config" "$out/.config"
	version=$(kmake "$out" kernelversion)
	kmake "$out" LOCALVERSION="${RELEASE#"$version"}" olddefconfig modules_prepare
	got=$(< "$out/include/config/kernel.release")
	[[ $got = "$RELEASE" ]] ||
		die "the prepared tree is for $got, the stock kernel is $RELEASE:" \
			"the archive is between two releases, try again later"
	for option in RUST LIVEPATCH FPROBE KEYS USER_NS RUSTC_VERSION_TEXT; do
		[[ $(setting "$option" "$out/.config") = "$(setting "$option" "$config")" ]] ||
			die "CONFIG_$option differs from the stock kernel's in the prepared tree:" \
				"the build root's tools are not the ones that built $RELEASE"
	done
	cp "$ROOT/usr/src/linux-headers-$RELEASE/Module.symvers" "$out/"
	touch "$STATE/stock.made"
}

build_kunit() {
	local out=$STATE/kunit wanted=$SRC/config/kunit.config dropped
	! cmp -s "$wanted" "$STATE/kunit.made" || return 0
	# What is interrupted is neither the old kernel nor the new one.
	rm -f "$STATE/kunit.made"
	mkdir -p "$out"
	kmake "$out" KCONFIG_ALLCONFIG=/mnt/src/config/kunit.config allnoconfig
	dropped=$(grep '^CONFIG_' "$wanted" | grep -Fxv -f "$out/.config" | tr '\n' ' ') || true
	[[ -z $dropped ]] ||
		die "config/kunit.config: this kernel cannot have $dropped: mend the fragment"
	kmake "$out" bzImage modules_prepare
	cp "$out/vmlinux.symvers" "$out/Module.symvers"
	cp "$wanted" "$STATE/kunit.made"
}
