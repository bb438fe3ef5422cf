# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The test suite of keyutils, from the source of the very package that is in the build root, and
# what it takes to run it. To be sourced.

# What the suite calls, shells included.
WORLD_PACKAGES=(bash coreutils dash debianutils file grep keyutils libc-bin mawk sed)

# need_keyutils: its source is in $KEYUTILS.
need_keyutils() {
	local version
	version=$(in_root dpkg-query -W -f '${source:Version}' keyutils)
	KEYUTILS=$STATE/keyutils-$version
	[[ -e $KEYUTILS ]] ||
		stage "keyutils: fetch the source" locked keyutils fetch_keyutils "$version"
}

# By the archive that the root was made from, whose lists of sources it does without. apt compares
# what it fetches with them, and them with their signatures.
fetch_keyutils() {
	local partial=$KEYUTILS.partial-$$
	[[ ! -e $KEYUTILS ]] || return 0
	mkdir "$partial"
	in_root sh -euc '
		mkdir /tmp/lists /tmp/cache
		cd "$(mktemp -d)"
		sed "s/^deb /deb-src /" /etc/apt/sources.list > /tmp/sources
		fetch() {
			apt-get -o Dir::Etc::SourceList=/tmp/sources \
				-o Dir::State::Lists=/tmp/lists -o Dir::Cache=/tmp/cache \
				-o APT::Sandbox::User=root "$@"
		}
		fetch update
		fetch source --download-only --tar-only "keyutils=$1"
		tar -C "$2" --no-same-owner --strip-components=1 -xf ./*.tar.*
	' -- "$1" "$(inside "$partial")" ||
		die "cannot fetch the source of keyutils $1:" \
			"check that the mirror the build root was made from can be reached"
	[[ -e $partial/tests/runtest.sh ]] ||
		die "the source of keyutils $1 has no tests/runtest.sh: there is no suite in it"
	mv -T "$partial" "$KEYUTILS"
}

# make_world FOLDER: a root to run the suite in, with the tools that it was written for.
make_world() {
	mkdir -p "$1"
	in_root sh -euc '
		world=$1
		shift
		cd /
		mkdir -p "$world/usr/bin" "$world/usr/sbin" "$world/usr/lib" "$world/usr/lib64"
		mkdir "$world/proc" "$world/sys" "$world/dev" "$world/tmp"
		ln -s usr/bin usr/sbin usr/lib usr/lib64 "$world"
		for file in $(dpkg -L "$@" | grep -E "^(/usr)?/s?bin/."); do
			[ -h "$world$file" ] || cp -aL "$file" "$world$file"
		done
		for command in awk which; do
			cp -aL "/usr/bin/$command" "$world/usr/bin"
		done
		# /lib and /lib64 are links into /usr, here and there.
		libraries=$(ldd "$world"/usr/bin/* 2>/dev/null | grep -o "/lib[^ ]*" | sort -u)
		for library in $libraries; do
			mkdir -p "$world/usr${library%/*}"
			cp -L "$library" "$world/usr$library"
		done
		cp -a --parents usr/lib/file usr/share/misc/magic* usr/share/keyutils "$world"
	' -- "$(inside "$1")" "${WORLD_PACKAGES[@]}"
	cp -a "$KEYUTILS/tests" "$1/suite"
}
