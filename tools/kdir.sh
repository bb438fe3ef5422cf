#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Have a build folder in which Rust's metadata is not missing, for a kernel of Debian's. DKMS runs
# this before it builds.
# Usage: kdir.sh RELEASE HEADERS
#
# The metadata (rust/*.rmeta) is made from linux-source with the configuration that the headers
# have, once per kernel, and is put beside links to these headers: $KDIRS/RELEASE. Of headers that
# come with it that is itself a link.

set -euo pipefail
shopt -s inherit_errexit

KDIRS=/var/cache/user_session_keyring

# To DKMS this means that the module is not for this kernel. Any other status would have the
# installation of the kernel's package fail, and all of apt with it.
UNFIT=77

refuse() {
	echo "error: $*" >&2
	exit "$UNFIT"
}

# setting OPTION: its value, in the kernel's configuration.
setting() {
	sed -n "s/^CONFIG_$1=\"*\([^\"]*\)\"*\$/\1/p" "$headers/.config"
}

# Who says which package is missing spares a look into a log.
check_packages() {
	local file package missing=()
	while read -r file package; do
		[[ -e $file ]] || missing+=("$package")
	done <<-END
		/usr/bin/bc bc
		/usr/bin/bindgen bindgen
		/usr/bin/bison bison
		/usr/bin/flex flex
		/usr/bin/gcc gcc
		/usr/bin/make make
		/usr/bin/openssl openssl
		/usr/bin/pahole dwarves
		/usr/bin/python3 python3
		/usr/bin/rustc rustc
		/usr/bin/rustfmt rustfmt
		/usr/bin/xz xz-utils
		/usr/include/libelf.h libelf-dev
		/usr/include/openssl/evp.h libssl-dev
		/usr/lib/rustlib/src/rust/library/core/src/lib.rs rust-src
	END
	[[ -e $source ]] || is_made || missing+=("linux-source-$series")
	((${#missing[@]} == 0)) ||
		refuse "packages are missing to build for $release: apt install ${missing[*]}"
}

# version PACKAGE: the installed one.
version() {
	dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo none
}

# Whether it is there, for these headers and this compiler. linux-source may be that of the next
# kernel by now.
is_made() {
	local made
	made=$(what_is_made)
	[[ $made = "$(cat "$kdir/made" 2>/dev/null)" ]]
}

what_is_made() {
	echo "$(version "linux-headers-$release"), $(rustc --version 2>/dev/null)"
}

# Metadata of another compiler or of another source is worth nothing.
check_versions() {
	local tool wanted have
	for tool in rustc bindgen; do
		wanted=$(setting "${tool^^}_VERSION_TEXT")
		have=$("$tool" --version)
		[[ $have = "$wanted" ]] ||
			refuse "$release was built by $wanted, not by $have: install that"
	done
	wanted=$(version "linux-headers-$release")
	[[ $wanted != none ]] ||
		refuse "the headers of $release are of no package, and lack Rust's metadata:" \
			"run make modules_prepare where that kernel was built"
	have=$(version "linux-source-$series")
	[[ $have = "$wanted" ]] ||
		refuse "linux-source-$series is $have, and the headers of $release are $wanted:" \
			"apt install linux-source-$series=$wanted"
}

# kmake ARGUMENT...: in the source, of which nothing is told by who called this.
kmake() {
	env -u MAKEFLAGS -u MAKELEVEL -u MAKEOVERRIDES -u KERNELRELEASE -u CC \
		make -s -j"$(nproc)" -C "$work/source" O="$work/out" \
		LOCALVERSION="${release#"$(kernelversion)"}" "$@"
}

kernelversion() {
	sed -E 's/^([0-9.]+).*/\1/' <<< "$release"
}

# Of what is neither read to configure a kernel nor compiled here, most is not unpacked. What is
# beside it in rust/ has the same names.
unpack_source() {
	local top=linux-source-$series skipped
	skipped=("$top"/{drivers,fs,net,sound}/'*.c' "$top/drivers/gpu/drm/amd/*.h" "$top/*.rst")
	mkdir "$work/source" "$work/out"
	tar -C "$work/source" --strip-components=1 --anchored "${skipped[@]/#/--exclude=}" \
		-xf "$source"
}

# What may differ between the two configurations says where something was built and by what.
DETAILS='_VERSION|^(BUILD_SALT|MODULE_SIG_(KEY.*|ALL)|OPENSSL_.*|SYSTEM_TRUSTED_KEYS)$'

make_metadata() {
	local got differing
	cp "$headers/.config" "$work/out/"
	kmake olddefconfig
	differing=$(sort "$headers/.config" "$work/out/.config" | uniq -u |
		sed -nE 's/^(# )?CONFIG_([A-Z0-9_]+)[= ].*/\2/p' | sort -u |
		awk -v details="$DETAILS" '$0 !~ details' | xargs)
	[[ -z $differing ]] ||
		refuse "the tools here are not those that built $release: it has another $differing"
	kmake modules_prepare
	got=$(< "$work/out/include/config/kernel.release")
	[[ $got = "$release" ]] || refuse "linux-source-$series makes $got, not $release"
}

# Links to the headers, but for what says where they are, and for what goes beside them.
assemble() {
	local new=$work/kdir
	mkdir "$new"
	cp -rs "$headers/." "$new"
	rm "$new/Makefile" "$new/scripts"
	sed "s|^KBUILD_OUTPUT=.*|KBUILD_OUTPUT=$kdir|" "$headers/Makefile" > "$new/Makefile"
	mkdir "$new/scripts" "$new/rust"
	cp -rs "$(readlink -f "$headers/scripts")/." "$new/scripts"
	mv "$work/out/scripts/target.json" "$new/scripts/"
	mv "$work/out/rust/"*.rmeta "$work/out/rust/"*.so "$new/rust/"
	what_is_made > "$new/made"
	rm -rf "$kdir"
	mv -T "$new" "$kdir"
}

# Kernels go, and take what was made for them along.
prune() {
	local old
	for old in "$KDIRS"/*; do
		[[ -e /lib/modules/${old##*/}/build ]] || rm -rf "$old"
	done
}

[[ $# = 2 ]] || { echo "usage: kdir.sh RELEASE HEADERS" >&2; exit 1; }
release=$1
headers=$(readlink -f "$2")
kdir=$KDIRS/$release
series=$(cut -d . -f 1,2 <<< "$release")
source=/usr/src/linux-source-$series.tar.xz

[[ -e $headers/Makefile ]] ||
	refuse "there are no headers of $release: apt install linux-headers-$release"
mkdir -p "$KDIRS"
exec {lock}> "$KDIRS/.lock"
flock "$lock"
prune
if [[ -e $headers/rust/libkernel.rmeta ]]; then
	rm -rf "$kdir"
	ln -s "$headers" "$kdir"
	exit
fi
check_packages
! is_made || exit 0
check_versions

have=$(df --output=avail -BM "$KDIRS" | tail -n 1 | tr -dc 0-9)
((have >= 1000)) || refuse "no disk space: $KDIRS has $have MB free, 1000 MB are needed"
work=$(mktemp -d "$KDIRS/.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
echo "$release: unpack its source"
unpack_source
echo "$release: make the metadata of its crates"
make_metadata
assemble
