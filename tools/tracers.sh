# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The tools that kernel people follow events with, and Python, for guests. To be sourced.

TRACERS=(bpftrace perf python3 trace-cmd)

# Few need them, so the build root does without until they are asked for.
need_tracers() {
	local tracer
	for tracer in "${TRACERS[@]}"; do
		[[ -x $ROOT/usr/bin/$tracer ]] || break
	done
	[[ -x $ROOT/usr/bin/$tracer ]] ||
		stage "tracers: install into the build root" \
			locked root install_packages bpftrace linux-perf trace-cmd
}

# copy_tracers FOLDER: below bin and lib, which is where Python looks for what is its own.
copy_tracers() {
	mkdir -p "$1/bin" "$1/lib"
	in_root sh -euc '
		cd "$1"
		shift
		for tracer; do
			cp -L "/usr/bin/$tracer" bin
		done
		libraries=$(ldd bin/* | grep -o "/lib[^ ]*" | sort -u)
		cp -L $libraries lib
		library=$(python3 -c "import sysconfig; print(sysconfig.get_path(\"stdlib\"))")
		tar -C "${library%/*}" --exclude=__pycache__ --exclude=test --exclude=idlelib \
			--exclude=lib2to3 --exclude=pydoc_data --exclude="config-*" \
			-cf - "${library##*/}" | tar -C lib -xf -
	' -- "$(inside "$1")" "${TRACERS[@]}"
}
