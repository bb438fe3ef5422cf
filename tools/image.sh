# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# A Debian system on a disk, as somebody has it who is about to install the module. To be sourced.
#   $IMAGE    in the cache: with a kernel from backports, the packages that
#             Documentation/installation.rst names, and a kernel to update to

IMAGE_PACKAGES=(
	dbus e2fsprogs initramfs-tools keyutils kmod libpam-systemd login passwd systemd-sysv
	udev zstd
)
# Installed later, from this folder of the image.
UPDATE=/var/lib/kernel-update

# What there is to type before make install, as the page has it.
documented_packages() {
	sed -n '/^ *apt install /,/[^\\]$/p' "$SRC/Documentation/installation.rst" |
		sed -z 's/\\\n//g; s/[ \t]\+/ /g; s/^ //; s/\n /\n/g' |
		sed 's/^apt install /apt-get -y install /'
}

locate_image() {
	local key
	key=$({ documented_packages; declare -f make_image; echo "${IMAGE_PACKAGES[*]}"; } |
		sha256sum)
	IMAGE=$STATE/image-${key:0:10}
}

need_image() {
	locate_image
	[[ ! -e $IMAGE ]] || return 0
	need_space 9000
	[[ -x $ROOT/usr/sbin/mke2fs ]] ||
		stage "mke2fs: install into the build root" \
			locked root install_packages e2fsprogs
	stage "Debian system: install it on a disk" locked image make_image
}

make_image() {
	local suite mirror=${MIRROR:-$(default_mirror)} partial=$IMAGE.partial-$$ sources=() update
	[[ ! -e $IMAGE ]] || return 0
	for suite in "${SUITES[@]}"; do
		sources+=("deb $mirror $suite main")
	done
	update=${RELEASE/%-amd64/-cloud-amd64}
	apt_settings > "$RUN/apt.conf"
	{
		echo "set -eux"
		echo "export DEBIAN_FRONTEND=noninteractive"
		documented_packages
		echo "apt-get -y -d -o Dir::Cache::archives=$UPDATE install" \
			"linux-image-$update linux-headers-$update"
		echo "useradd -m -s /bin/sh -u 1000 alice"
		echo "passwd -d root"
		echo "echo guest > /etc/hostname"
		echo "echo /dev/vda / ext4 defaults 0 1 > /etc/fstab"
		# They would look for news in the middle of a test.
		echo "systemctl mask apt-daily.timer apt-daily-upgrade.timer"
	} > "$RUN/customize"
	mkdir -p "$partial/root" "$partial/image"
	unshare --mount --pid --kill-child --mount-proc \
		mmdebstrap --mode=root --variant=apt --format=directory \
		--include="$(IFS=,; echo "${IMAGE_PACKAGES[*]}")" \
		--aptopt="$RUN/apt.conf" --dpkgopt=force-unsafe-io \
		--essential-hook="mkdir -p \"\$1$UPDATE/partial\"" \
		--customize-hook="chroot \"\$1\" sh -s < '$RUN/customize'" \
		"${SUITES[0]}" "$partial/root" "${sources[@]}"
	in_root mke2fs -q -t ext4 -d "$(inside "$partial/root")" \
		"$(inside "$partial/image/disk")" 7G
	mv -T "$partial/image" "$IMAGE"
	remove "$partial"
}

# in_image DISK COMMAND...: run it in the system on that disk, which is not running.
in_image() {
	unshare --mount --pid --kill-child bash -euc '
		disk=$1 root=$2
		shift 2
		mkdir -p "$root"
		mount -o loop "$disk" "$root"
		mount -t proc none "$root/proc"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs none "$root/tmp"
		mkdir -p "$root/root/user_session_keyring"
		chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
			LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
	' -- "$1" "$RUN/image" "${@:2}"
}
