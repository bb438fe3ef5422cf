# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The patch series that tools/series.py makes: each patch on top of those before it, and then the
# suites, the examples and the samples of a kernel with all of them.
#   $STATE/series-patches   the patches
#   $STATE/series-source    the kernel's source with them
#   $STATE/series           what is built of it, which begins as the KUnit kernel

test_series() {
	: "${SIGNOFF:=$(identity)}"
	[[ $SIGNOFF =~ ^[^\<\>]*[^\<\>\ ]\ \<[^\<\>\ ]+@[^\<\>\ ]+\>$ ]] ||
		die "SIGNOFF='$SIGNOFF' does not say who signs the patches off: set it to" \
			"'Name <mail>', or user.name and user.email of git"
	need_kernel kunit
	need_git
	locked series run_series "$(results series)"
}

need_git() {
	[[ -x $ROOT/usr/bin/git ]] ||
		stage "git: install into the build root" locked root install_git
}

install_git() {
	in_root apt-get -qq update
	in_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y install git
}

run_series() {
	local dir=$1 patch subject payload=$RUN/series
	stage "series: write the patches" write_series
	for patch in "$STATE"/series-patches/*.patch; do
		subject=$(sed -n 's/^Subject: \[PATCH \([0-9/]*\)\] /\1 /p' "$patch")
		[[ $subject = 0/* ]] || stage "${subject:0:57}" try_patch "$patch"
	done
	stage "series: build the kernel" build_series_kernel "$payload"
	expect_series > "$dir/expected"
	cp "$SRC/tools/guest/series.sh" "$payload/run"
	test_guest "series: run in the series kernel" "$dir" series "$payload" 600 "$ACCEL"
	read_kunit "$dir"
	echo "the patches: $STATE/series-patches"
}

# The files that are patched are new to make, whatever was built of them before.
write_series() {
	local file
	remove "$STATE"/series-{patches,source}
	mkdir "$RUN/repository"
	in_root python3 /mnt/src/tools/series.py /mnt/src /mnt/cache/source \
		"$(inside "$RUN/repository")" "$(inside "$STATE/series-patches")" "$SIGNOFF"
	cp -al "$STATE/source" "$STATE/series-source"
	in_root git -C "$(inside "$RUN/repository")" ls-tree -r --name-only base |
		while read -r file; do
			cp --remove-destination "$STATE/source/$file" "$STATE/series-source/$file"
		done
	if [[ ! -e $STATE/series ]]; then
		cp -a "$STATE/kunit" "$STATE/series.partial-$$"
		mv -T "$STATE/series.partial-$$" "$STATE/series"
	fi
	cat "$SRC"/config/{kunit,series}.config > "$RUN/series.wanted"
}

try_patch() {
	local tree=/mnt/cache/series-source patch
	patch=$(inside "$1")
	in_root git -C "$tree" apply --whitespace=error "$patch"
	in_root perl "$tree/scripts/checkpatch.pl" --root "$tree" --strict "$patch"
	in_root sh -euc 'cd "$1" && sed -n "s|^+++ b/\(.*\.rs\)$|\1|p" "$2" |
		xargs rustfmt --edition 2021 --check' -- "$tree" "$patch"
	configure_series CONFIG_RUST_KERNEL_DOCTESTS
	build_series rust/kernel.o samples/rust/
}

# configure_series WITHOUT: all that is wanted, less the lines that match. The examples take longer
# to build than all the rest.
configure_series() {
	grep -v "$1" "$RUN/series.wanted" > "$RUN/series.config"
	smake KCONFIG_ALLCONFIG="$(inside "$RUN/series.config")" allnoconfig
}

# Without -Dwarnings, which would have all crates built again, and fail: the kernel's own examples
# have a warning.
build_series() {
	smake "$@" 2>&1 | tee "$RUN/make.log"
	if grep '^warning' "$RUN/make.log" |
		grep -v 'struct `LocalModule` is never constructed\|warnings\? emitted$'; then
		echo "clippy warns of what the series brings"
		return 1
	fi
}

# smake TARGET...: in the place of the KUnit kernel and its source, so that nothing is built again
# but what the patches change.
smake() {
	in_root sh -euc '
		busybox mount --bind /mnt/cache/series-source /mnt/cache/source
		busybox mount --bind /mnt/cache/series /mnt/cache/kunit
		exec make -s -j"$(nproc)" -C /mnt/cache/source O=/mnt/cache/kunit "$@"
	' -- "$(compiler kunit)" CLIPPY=1 "$@"
}

build_series_kernel() {
	local payload=$1 dropped
	configure_series '^#'
	dropped=$(disobeyed "$RUN/series.config" "$STATE/series/.config" | tr '\n' ' ')
	[[ -z $dropped ]] ||
		die "config: the series kernel cannot have $dropped: mend config/series.config"
	build_series bzImage modules
	mkdir -p "$payload"
	cp "$STATE"/series/samples/rust/*.ko "$payload/"
}

# What the sources declare: the suites of the crate, and the examples in its documentation. Those in
# files that no patch touches are known by what was generated of them.
expect_series() {
	local crate=$STATE/series-source/rust/kernel
	local generated=$STATE/series/rust/doctests_kernel_generated_kunit.c
	# Neither DRM nor networks are configured, and one test of KUnit's own is always skipped.
	in_root python3 /mnt/src/tools/kunit_tests.py '*' /mnt/cache/series-source/rust/kernel |
		grep -Ev '^rust_(drm|netlink|kernel_kunit)'
	{
		sed -n 's/.*KUNIT_CASE(\(.*\)),/\1/p' "$generated"
		sed -n 's|^+++ b/rust/kernel/\(.*\)\.rs$|\1|p' "$STATE"/series-patches/*.patch |
			sort -u | while read -r file; do
				examples "$file" < "$crate/$file.rs"
			done
	} | sort -u | sed 's/^/rust_doctests_kernel./'
}

# examples FILE: the names that those in it get, which are numbered. A fence with a word is none.
examples() {
	awk -v file="$1" '
		/^ *\/\/[\/!] ```/ {
			inside = !inside
			if (inside && /```$/)
				print "rust_doctest_kernel_" file "_rs_" n++
		}
	'
}
