# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# make install and make uninstall, in a Debian system that boots from a disk. What DKMS has to build
# is built before it boots: under emulation that would take half an hour.

. "$SRC/tools/image.sh"

INSTALL=/root/user_session_keyring/tools/testing/install
KIND=${BASH_SOURCE[0]}
# Words of the kernel's command line, and what becomes of the module that DKMS has signed.
KEPT_OUT="module.sig_enforce=1: it is refused, as nobody has enrolled the key
module_blacklist=user_session_keyring: it is refused by its name"

test_install() {
	local dir boot status=ok updated=${RELEASE/%-amd64/-cloud-amd64}
	dir=$(results install)
	need_image
	need_space 9000
	{
		sed -n 's/^check_[a-z_]*() { # //p' "$KIND"
		"$SRC/tools/testing/install/guest" --list
		echo "$KEPT_OUT"
	} > "$dir/expected"
	echo "1..$(wc -l < "$dir/expected")" > "$dir/tap"

	stage "install: copy the disk" cp --sparse=always "$IMAGE/disk" "$RUN/disk"
	stage "install: put the sources there" put_sources
	stage "install: without a package" checks "$dir" check_refusal
	stage "install: make install" checks "$dir" check_install check_again \
		check_signature check_files
	stage "install: keep the module" keep_module
	boot_image "$dir" first "first boot" "$RELEASE"
	boot_image "$dir" second "second boot" "$RELEASE"
	stage "install: update the kernel" checks "$dir" check_update check_skip
	boot_image "$dir" updated "after the update|make uninstall" "$updated"
	boot_image "$dir" removed "boot without it" "$updated"
	boot_kept_out "$dir"
	for boot in "$dir"/{first,second,updated,removed,kept-out-*}; do
		[[ $(< "$boot/status") = ok ]] || status="${boot##*/}: $(< "$boot/status")"
	done
	echo "$status" > "$dir/status"
	grep '^# measured: ' "$dir/tap" || true
}

put_sources() {
	tar -C "$SRC" --exclude=.git -c . |
		in_image "$RUN/disk" tar -C /root/user_session_keyring --no-same-owner -x
	in_image "$RUN/disk" "$INSTALL/setup"
}

# checks DIR FUNCTION...: each is a test, whose name is beside it. They run in the image, and are
# given the first kernel, the second, and the folder with the packages of that.
checks() {
	local dir=$1 check name start said=$RUN/said
	shift
	for check; do
		start=$(now)
		name=$(sed -n "s/^$check() { # //p" "$KIND")
		if in_image "$RUN/disk" bash -euxc "$(declare -f "$check"); $check \"\$@\"" -- \
			"$RELEASE" "${RELEASE/%-amd64/-cloud-amd64}" "$UPDATE" > "$said" 2>&1; then
			echo "ok - $name"
		else
			tail -n 20 "$said" | sed 's/^/# /'
			echo "not ok - $name"
		fi >> "$dir/tap"
		echo "# measured: install: seconds of $check: $(since "$start")" >> "$dir/tap"
		cat "$said"
	done
}

check_refusal() { # make install: a package that is missing is named in one line
	local tarball
	tarball=$(echo /usr/src/linux-source-*.tar.xz)
	mv "$tarball" /root
	! make -s -C /root/user_session_keyring install 2> /tmp/said
	mv "/root/${tarball##*/}" /usr/src
	grep -c '^error: ' /tmp/said | grep -qx 1
	grep -q "^error: .*apt install $(basename "$tarball" .tar.xz)\$" /tmp/said
	[[ ! -e /var/lib/dkms/user_session_keyring ]]
	[[ ! -e /etc/modules-load.d/user_session_keyring.conf ]]
}

check_install() { # make install: DKMS has it for the kernel that is there
	cd /root/user_session_keyring || exit
	make install
	dkms status user_session_keyring -k "$1" | grep ': installed'
}

check_again() { # make install: it may be run again, and then takes the sources as they are now
	local copy
	copy=$(echo /usr/src/user_session_keyring-*)
	echo "/* another */" >> /root/user_session_keyring/rust/helpers/counters.c
	touch /tmp/before
	make -C /root/user_session_keyring install
	cmp /root/user_session_keyring/rust/helpers/counters.c "$copy/rust/helpers/counters.c"
	[[ $(modinfo -k "$1" -n user_session_keyring) -nt /tmp/before ]]
	[[ $(dkms status user_session_keyring -k "$1" | wc -l) = 1 ]]
	dkms status user_session_keyring -k "$1" | grep ': installed'
}

check_signature() { # make install: the module is signed with DKMS's key
	local signer
	signer=$(modinfo -k "$1" -F signer user_session_keyring)
	[[ -n $signer ]]
	openssl x509 -inform DER -in /var/lib/dkms/mok.pub -noout -subject | grep -F "$signer"
}

check_files() { # make install: all that it says it has put there is there
	local file
	while read -r file; do
		[[ -s $file ]]
	done < <(cat /usr/src/user_session_keyring-*/installed)
	grep -x user_session_keyring /etc/modules-load.d/user_session_keyring.conf
}

check_update() { # a kernel is installed: DKMS builds the module for it unasked
	apt-get -y install "$3"/*.deb
	dkms status user_session_keyring -k "$2" | grep ': installed'
	dkms status user_session_keyring -k "$1" | grep ': installed'
}

# What was made for the kernel is put away, so that it would have to be made again.
check_skip() { # a kernel that it cannot be built for: it is passed over, and built when it can be
	local kdir=/var/cache/user_session_keyring/$2 module
	module=$(dkms status user_session_keyring -k "$2" | cut -d , -f 1)
	dkms uninstall "$module" -k "$2"
	dkms unbuild "$module" -k "$2"
	mv "$kdir" /root/kdir
	mv /usr/src/linux-source-*.tar.xz /root
	/etc/kernel/postinst.d/dkms "$2"
	! dkms status user_session_keyring -k "$2" | grep -E ': (built|installed)'
	mv /root/linux-source-*.tar.xz /usr/src
	rm -rf "$kdir"
	mv /root/kdir "$kdir"
	dkms autoinstall -k "$2"
	dkms status user_session_keyring -k "$2" | grep ': installed'
}

# boot_image DIR NAME STAGES RELEASE: what the system says of itself when it has booted. Its clock
# counts instructions, so that no time limit of systemd's depends on how fast that is.
boot_image() {
	local dir=$1 name=$2 stages=$3 release=$4 payload=$RUN/boot accelerator=icount
	local complaint
	[[ $ACCEL != kvm ]] || accelerator=kvm
	mkdir -p "$payload" "$dir/$name"
	ln -f "$RUN/disk" "$payload/disk"
	in_image "$RUN/disk" cat "/boot/vmlinuz-$release" > "$payload/vmlinuz"
	in_image "$RUN/disk" cat "/boot/initrd.img-$release" > "$payload/initrd"
	test_guest "install: boot, $name" "$dir/$name" image "$payload" 2400 \
		"$accelerator" "root=/dev/vda" "usk.stage=${stages// /_}"
	# Without /dev/port, as in the cloud flavour, QEMU cannot be told.
	if [[ $(< "$dir/$name/status") = "died: "*"returned 0)" ]] &&
		grep -qx "# down: 0" "$dir/$name/tap"; then
		complaint=$(complaint "$dir/$name/console.log") || true
		echo "${complaint:-ok}" > "$dir/$name/status"
	fi
	sed 's/\r$//' "$dir/$name/tap" >> "$dir/tap"
}

# boot_kept_out DIR: the module that DKMS has signed, in guests of the usual kind.
boot_kept_out() {
	local dir=$1 payload=$RUN/kept-out number=0 append what name
	while IFS=: read -r append what; do
		number=$((number + 1))
		name=kept-out-$number
		mkdir -p "$dir/$name"
		test_guest "install: boot, $append" "$dir/$name" stock "$payload" 120 "$ACCEL" \
			"$append"
		{
			[[ $(< "$dir/$name/status") = ok ]] || echo -n "not "
			echo "ok - $append:$what"
		} >> "$dir/tap"
	done <<< "$KEPT_OUT"
}

# The first kernel's is kept before it is removed.
keep_module() {
	mkdir -p "$RUN/kept-out"
	in_image "$RUN/disk" sh -euc '
		file=$(modinfo -k "$1" -n user_session_keyring)
		case $file in
		*.xz) xz -dc "$file" ;;
		*) cat "$file" ;;
		esac
	' -- "$RELEASE" > "$RUN/kept-out/user_session_keyring.ko"
	cp "$SRC/tools/testing/install/kept-out" "$RUN/kept-out/run"
}
