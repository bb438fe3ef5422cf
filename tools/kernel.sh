# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The kernel trees that modules are built against, each beside one pristine source. To be sourced.
#   $STATE/source   linux-source as Debian ships it
#   $STATE/stock    the stock kernel's configuration, prepared for modules; of other flavours
#                   than the standard one, $STATE/stock-FLAVOUR
#   $STATE/kunit    the KUnit kernel, built
#   $STATE/kasan    that kernel and all that watches memory and locks, built by clang
#   $STATE/kcsan    the same, but watching for data races
#   $STATE/rt       the same, with PREEMPT_RT, and watching for who sleeps where nobody may

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

# tree KERNEL: the name of its folder.
tree() {
	case $1 in
	stock) echo "stock$OF_FLAVOUR" ;;
	*) echo "$1" ;;
	esac
}

# need_kernel stock|kunit|kasan|kcsan|rt
need_kernel() {
	local kind=$1
	if [[ $kind = stock ]]; then
		[[ ! -e $STATE/$(tree stock).made ]] || return 0
		need_source
		stage "stock kernel: prepare for modules" locked "$(tree stock)" prepare_stock
	else
		wanted "$kind" > "$RUN/$kind.config"
		# Modules take it, too.
		[[ $kind = kunit ]] || need_clang
		! cmp -s "$RUN/$kind.config" "$STATE/$kind.made" || return 0
		need_source
		stage "$kind kernel: build" locked "$kind" build_kernel "$kind"
	fi
}

# Clang would inline get_user_session_keyring_rcu() where request_key() calls it, and then a
# livepatch does not replace it there. With this it inlines only what is declared so.
PATCHABLE=CFLAGS_process_keys.o=-finline-hint-functions

# wanted KIND: what its fragments say; of an option that several speak of, the last word. How it is
# built is a comment.
wanted() {
	local config=$SRC/config fragments
	fragments=("$config/kunit")
	[[ $1 = kunit ]] || fragments+=("$config/debug" "$config/$1")
	cat "${fragments[@]/%/.config}" | awk '/^(# )?CONFIG_/ {
			match($0, /CONFIG_[A-Z0-9_]+/)
			option = substr($0, RSTART, RLENGTH)
			if (!(option in last))
				order[++n] = option
			last[option] = $0
		}
		END { for (i = 1; i <= n; i++) print last[order[i]] }
	'
	[[ $1 = kunit ]] || echo "# built with $PATCHABLE"
}

# The KUnit kernel and the stock kernel are built by gcc, so most users never need this.
need_clang() {
	[[ -x $ROOT/usr/bin/clang && -x $ROOT/usr/bin/ld.lld ]] ||
		stage "clang: install into the build root" \
			locked root install_packages clang lld llvm
}

# if_watched KERNEL THEN ELSE: THEN of kernels with all detectors, which clang builds, else ELSE.
if_watched() {
	case $1 in
	stock | kunit | series | image) echo "$3" ;;
	*) echo "$2" ;;
	esac
}

# compiler KERNEL: what make has to be told of it.
compiler() {
	if_watched "$1" LLVM=1 LLVM=
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
	local out config=$STOCK/usr/lib/modules/$RELEASE/config got option version
	out=$STATE/$(tree stock)
	[[ ! -e $out.made ]] || return 0
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
	cp "$STOCK/usr/src/linux-headers-$RELEASE/Module.symvers" "$out/"
	touch "$out.made"
}

build_kernel() {
	local kind=$1 out=$STATE/$1 config=$RUN/$1.config dropped flags=()
	! cmp -s "$config" "$STATE/$kind.made" || return 0
	# What is interrupted is neither the old kernel nor the new one.
	rm -f "$STATE/$kind.made"
	mkdir -p "$out"
	kmake "$out" "$(compiler "$kind")" KCONFIG_ALLCONFIG="$(inside "$config")" allnoconfig
	dropped=$(disobeyed "$config" "$out/.config" | tr '\n' ' ')
	[[ -z $dropped ]] || die "config: the $kind kernel cannot have $dropped: mend the fragments"
	[[ $kind = kunit ]] || flags=("$PATCHABLE")
	kmake "$out" "$(compiler "$kind")" "${flags[@]}" bzImage modules_prepare
	cp "$out/vmlinux.symvers" "$out/Module.symvers"
	cp "$config" "$STATE/$kind.made"
}

# disobeyed WANTED GOT: the lines of one that the other does not follow.
disobeyed() {
	awk 'NR == FNR { got[$0]; sub(/=.*/, ""); set[$0]; next }
		/^CONFIG_/ ? !($0 in got) : $2 in set
	' "$2" "$1"
}
