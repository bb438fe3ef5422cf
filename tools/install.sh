#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make install: have DKMS build the module for each kernel that is there and for each that comes,
# and the system load it when it boots.
#
# With DESTDIR, files are put there and nothing is built or loaded: the rest is for who packages it.

set -euo pipefail
shopt -s inherit_errexit

SRC=$(cd "$(dirname "$0")/.." && pwd)
: "${DESTDIR:=}"
: "${PREFIX:=/usr/local}"
: "${RELEASES:=}"	# releases, instead of all that have headers

# What kdir.sh ends with for a kernel that it has no build folder for.
UNFIT=77

# What the module is built from, and what takes it away again.
SOURCES=(COPYING Kbuild Makefile dkms.conf kunit rust)
SOURCES+=(tools/check-kdir.sh tools/kdir.sh tools/uninstall.sh)

die() {
	echo "error: $*" >&2
	exit 1
}

# put FILE FOLDER [MODE]: uninstall.sh goes by the list of these.
put() {
	install -D -m "${3:-644}" -t "$DESTDIR$2" "$SRC/$1"
	echo "$2/${1##*/}" >> "$DESTDIR$copy/installed"
}

# fits RELEASE: DKMS will not pass over it.
fits() {
	[[ $1 =~ $BUILD_EXCLUSIVE_KERNEL && -e /lib/modules/$1/build ]]
}

fitting_kernels() {
	local kernel
	for kernel in /lib/modules/*; do
		! fits "${kernel##*/}" || echo "${kernel##*/}"
	done
}

copy_sources() {
	rm -rf "$DESTDIR${copy:?}"
	mkdir -p "$DESTDIR$copy"
	tar -C "$SRC" --exclude-from="$SRC/.gitignore" -c "${SOURCES[@]}" |
		tar -C "$DESTDIR$copy" --no-same-owner -x
}

put_files() {
	local page
	for page in "$SRC"/Documentation/man/*.[1-9]; do
		[[ ! -e $page ]] ||
			put "Documentation/man/${page##*/}" "$PREFIX/share/man/man${page##*.}"
	done
	put tools/usk-status "$PREFIX/sbin" 755
	put tools/usk-pins "$PREFIX/sbin" 755
	mkdir -p "$DESTDIR/etc/modules-load.d"
	echo "user_session_keyring" > "$DESTDIR/etc/modules-load.d/user_session_keyring.conf"
	echo /etc/modules-load.d/user_session_keyring.conf >> "$DESTDIR$copy/installed"
}

# DKMS would run it, too, but puts what it says into a log. A kernel that it cannot be built for is
# passed over if there is another and nobody has named it: it may be one that was updated.
need_kdirs() {
	local kernel status ready=()
	for kernel in "${kernels[@]}"; do
		status=0
		"$SRC/tools/kdir.sh" "$kernel" "/lib/modules/$kernel/build" || status=$?
		if ((status == 0)); then
			ready+=("$kernel")
		elif [[ -n $RELEASES ]] || ((status != UNFIT)); then
			exit "$status"
		fi
	done
	((${#ready[@]} > 0)) || exit "$UNFIT"
	kernels=("${ready[@]}")
}

# In a chroot the kernel that runs is somebody else's.
in_chroot() {
	! [[ / -ef /proc/1/root ]]
}

load() {
	local _ patch=/sys/kernel/livepatch/user_session_keyring
	if in_chroot || [[ ! " ${kernels[*]} " = *" $(uname -r) "* ]]; then
		echo "It is loaded when one of these kernels boots: ${kernels[*]}"
		return
	elif [[ -e /sys/module/user_session_keyring ]]; then
		echo "The one that is loaded stays until the next boot."
		return
	fi
	modprobe user_session_keyring || die "it does not load: see dmesg"
	for _ in {1..600}; do
		[[ $(< "$patch/transition") != 0 ]] || break
		sleep 0.1
	done
	echo "It is loaded, and will be whenever one of these kernels boots: ${kernels[*]}"
}

# DKMS knows them.
# shellcheck disable=SC2034
kernelver='' kernel_source_dir=''
# shellcheck source=/dev/null
. "$SRC/dkms.conf"
copy=/usr/src/$PACKAGE_NAME-$PACKAGE_VERSION
if [[ -n $DESTDIR ]]; then
	copy_sources
	put_files
	exit
fi

[[ $EUID = 0 ]] || die "make install: only root may, try sudo make install"
command -v dkms > /dev/null || die "dkms is missing: apt install dkms"
read -ra kernels <<< "${RELEASES:-$(fitting_kernels | xargs)}"
((${#kernels[@]} > 0)) ||
	die "no kernel here is one that the module is for ($BUILD_EXCLUSIVE_KERNEL) and has its" \
		"headers: see Documentation/installation.rst"
for kernel in "${kernels[@]}"; do
	fits "$kernel" ||
		die "$kernel is no kernel that the module is for ($BUILD_EXCLUSIVE_KERNEL)," \
			"or has no headers here"
done
need_kdirs
"$SRC/tools/uninstall.sh" --files
copy_sources
put_files
dkms add "$PACKAGE_NAME/$PACKAGE_VERSION"
for kernel in "${kernels[@]}"; do
	dkms install "$PACKAGE_NAME/$PACKAGE_VERSION" -k "$kernel" ||
		die "DKMS could not build it for $kernel: see above"
done
load
