# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Modules for the prepared kernels, built from a copy of the sources. To be sourced.

# sync_sources TREE: bring the copy up to date. By content and without times, so that only what
# changed is built again, and that it is.
sync_sources() {
	mkdir -p "$STATE/build/$1"
	in_root rsync -rlpc --delete --exclude=.git --exclude-from=/mnt/src/.gitignore \
		/mnt/src/ "/mnt/cache/build/$1/"
}

# build_module TREE KERNEL DESTINATION [VARIABLE=VALUE...]: every .ko that the sources make for it.
# The tree may still have one of another build; modules.order tells what is of this one.
build_module() {
	local tree=$1 kernel=$2 destination=$3
	shift 3
	sync_sources "$tree"
	in_root make -s -j"$(nproc)" -C "/mnt/cache/$(tree "$kernel")" \
		M="/mnt/cache/build/$tree" \
		"$(compiler "$kernel")" "$@" modules
	mkdir -p "$destination"
	(cd "$STATE/build/$tree" && sed 's/o$/ko/' modules.order | xargs cp -t "$destination")
}

# need_module stock|kunit|kasan|kcsan|rt DESTINATION [VARIABLE=VALUE...]
need_module() {
	local kernel=$1 tree
	shift
	tree=$(tree "$kernel")
	stage "module: build for the $kernel kernel" \
		locked "build-$tree" build_module "$tree" "$kernel" "$@"
}
