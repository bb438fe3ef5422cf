# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The build root: Debian trixie with every tool in it, and the stock kernel. To be sourced.

PACKAGES=(
	bc bindgen bison busybox-static codespell cpio dwarves file flex gcc keyutils kmod
	libc6-dev libelf-dev libkeyutils-dev libssl-dev make perl python3 qemu-system-x86
	rsync rust-clippy rust-src rustc rustfmt shellcheck xz-utils
)
SUITES=(trixie trixie-updates trixie-backports)

# The folder is keyed by all that the root is made from, so that a change makes a new one.
locate_root() {
	local key settings="${PACKAGES[*]} ${SUITES[*]} $KERNEL_PIN"
	key=$(cat "$SRC/tools/debian-kernel.sh" - <<< "$settings" | sha256sum)
	STATE=$USK_CACHE/$KERNEL_SERIES-${key:0:10}
	ROOT=$STATE/root
	# The standard flavour is installed in the root; others are unpacked beside it.
	OF_FLAVOUR=-$FLAVOUR
	STOCK=$STATE/packages$OF_FLAVOUR
	[[ $FLAVOUR != amd64 ]] || OF_FLAVOUR='' STOCK=$ROOT
}

# The release of the stock kernel: all flavours are of the version that the root was made with.
stock_release() {
	local release
	release=$(< "$ROOT/usr/lib/stock-kernel-release")
	echo "${release%-amd64}-$FLAVOUR"
}

# The archive this machine itself uses; the security archive has no kernel of ours.
default_mirror() {
	local format='$(REPO_URI) $(ORIGIN) $(LABEL)'
	apt-get indextargets --format "$format" 'Created-By: Packages' 2>/dev/null |
		awk '$2 == "Debian" && $3 == "Debian" { print $1; found = 1; exit }
		     # Without downloaded lists apt knows no origin, only the address.
		     $1 ~ /\/debian\/?$/ && !guess { guess = $1 }
		     END { if (!found && guess) print guess }'
}

install_mmdebstrap() {
	local try
	for try in install refresh; do
		! command -v mmdebstrap >/dev/null || return 0
		[[ $try = install ]] || apt-get -qq update || true
		apt-get -qq -y --no-install-recommends install mmdebstrap || true
	done
	command -v mmdebstrap >/dev/null ||
		die "mmdebstrap is missing and apt-get cannot install it:" \
			"install the package mmdebstrap by hand"
}

# How this machine reaches a mirror, its proxies above all, goes for the root too.
apt_settings() {
	local not_ours='^Acquire::(IndexTargets|Changelogs|Languages|GzipIndexes|Compression)'
	echo 'Acquire::Retries "2";'
	echo 'Acquire::http::Timeout "30"; Acquire::https::Timeout "30";'
	apt-config dump | grep '^Acquire::' | grep -Ev "$not_ours" || true
	echo 'Acquire::Languages "none"; APT::Install-Recommends "false";'
}

# mmdebstrap mounts /proc, /sys and /dev in the new root. In a namespace of their own these mounts
# end with it, whatever ends it.
make_root() {
	local suite mirror=$1 partial=$ROOT.partial-$$ log=$RUN/mmdebstrap.log sources=()
	[[ ! -e $ROOT ]] || return 0
	for suite in "${SUITES[@]}"; do
		sources+=("deb $mirror $suite main")
	done
	apt_settings > "$RUN/apt.conf"
	if ! unshare --mount --pid --kill-child --mount-proc \
		mmdebstrap --mode=root --variant=apt --include="$(IFS=,; echo "${PACKAGES[*]}")" \
		--aptopt="$RUN/apt.conf" --dpkgopt=force-unsafe-io \
		--dpkgopt=path-exclude=/usr/share/man/* --dpkgopt=path-exclude=/usr/share/locale/* \
		--customize-hook="chroot \"\$1\" sh -s $KERNEL_SERIES $KERNEL_PIN \
			< '$SRC/tools/debian-kernel.sh' > \"\$1/usr/lib/stock-kernel-release\"" \
		"${SUITES[0]}" "$partial" "${sources[@]}" > "$log" 2>&1; then
		cat "$log"
		remove "$partial"
		explain_root_failure "$mirror" "$log"
		return 1
	fi
	cat "$log"
	mv -T "$partial" "$ROOT"
}

# What apt says of a mirror that it cannot reach.
UNREACHABLE='Could not (connect|resolve)|Temporary failure|Unable to connect'
UNREACHABLE+='|Connection (failed|timed out|refused)|Failed to fetch'

explain_root_failure() {
	local mirror=$1 log=$2 refusal missing
	refusal=$(sed -n 's/^refusal: //p' "$log" | head -n 1)
	[[ -z $refusal ]] || die "$refusal"
	if grep -q 'No space left on device' "$log"; then
		space_ran_out
	fi
	missing=$(sed -n 's/.*Unable to locate package //p' "$log" | head -n 1)
	[[ -z $missing ]] ||
		die "the package $missing is not to be had from $mirror:" \
			"set MIRROR to a complete Debian mirror"
	if grep -Eq "$UNREACHABLE" "$log"; then
		die "cannot fetch packages from $mirror:" \
			"check the network, or set MIRROR to a Debian mirror within reach"
	fi
}

need_root() {
	local mirror
	# Up to here it has looked at what it was asked for; a test wants no more.
	[[ -z ${DRY_RUN-} ]] || exit 0
	if [[ ! -e $ROOT ]]; then
		mirror=${MIRROR:-$(default_mirror)}
		[[ -n $mirror ]] ||
			die "no Debian mirror in this machine's apt configuration:" \
				"set MIRROR to the address of one"
		need_space 9000
		command -v mmdebstrap >/dev/null || stage "mmdebstrap: install" install_mmdebstrap
		stage "build root: Debian ${SUITES[0]}, compilers, QEMU, kernel" \
			locked root make_root "$mirror"
	fi
	RELEASE=$(stock_release)
	[[ $RELEASE = "$KERNEL_PIN"+* || $KERNEL_PIN = "$KERNEL_SERIES" ]] ||
		echo "note: using $RELEASE, the newest of $KERNEL_SERIES in the archive," \
			"instead of $KERNEL_PIN"
	[[ -e $STOCK ]] || stage "kernel $RELEASE: fetch" locked root unpack_flavour
}

# What the prepared tree and QEMU take from the packages of a kernel are single files.
unpack_flavour() {
	local partial=$STOCK.partial-$$ log=$RUN/fetch.log
	[[ ! -e $STOCK ]] || return 0
	mkdir "$partial"
	if ! in_root sh -euc '
		apt-get -qq update
		cd /tmp
		version=$(dpkg-query -W -f "\${Version}" "linux-source-$1")
		apt-get -qq download "linux-headers-$2=$version" "linux-base-$2=$version" \
			"linux-binary-$2=$version"
		for package in *.deb; do
			dpkg-deb -x "$package" "$3"
		done
	' -- "$KERNEL_SERIES" "$RELEASE" "$(inside "$partial")" > "$log" 2>&1; then
		cat "$log"
		remove "$partial"
		! grep -Eq 'Unable to locate package|was not found' "$log" ||
			die "the archive does not have $RELEASE:" \
				"make distclean, and begin again with what it has"
		explain_root_failure "the mirror" "$log"
		return 1
	fi
	mv -T "$partial" "$STOCK"
}

# install_packages PACKAGE...: into the root, of what most users never need.
install_packages() {
	in_root apt-get -qq update
	in_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install "$@"
}

# in_root COMMAND...: run it in the root, with the checkout at /mnt/src (read-only) and the cache at
# /mnt/cache. Killing this unshare ends all that the command started.
in_root() {
	unshare --mount --pid --kill-child bash -euc '
		root=$1 src=$2 state=$3
		shift 3
		mkdir -p "$root/mnt/src" "$root/mnt/cache"
		mount --bind "$src" "$root/mnt/src"
		mount -o remount,bind,ro "$root/mnt/src"
		mount --bind "$state" "$root/mnt/cache"
		mount -t proc none "$root/proc"
		mount --rbind /dev "$root/dev"
		mount -t tmpfs none "$root/tmp"
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp \
			LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" "$@"
	' -- "$ROOT" "$SRC" "$STATE" "$@"
}

# The name inside the root of a file in the cache.
inside() {
	echo "/mnt/cache${1#"$STATE"}"
}
