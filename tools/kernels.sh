#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make kernels: what make run shows, and the end-to-end tests, in every kernel of Debian's that the
# module is for, and a table of it.
# Usage: kernels.sh [--update]
#
# What has passed in a kernel is kept for as long as the sources of all that runs there stay what
# they are. KERNELS names the kernels to take, if not all. With --update the table is written into
# Documentation/porting.rst instead of being compared with it.

. "$(dirname "$0")/commands.sh" "$@"

# A series and a flavour.
ALL=(7.3/amd64 7.3/cloud-amd64 7.3/rt-amd64 7.2/amd64)
KINDS=(demo end-to-end)
PAGE=Documentation/porting.rst

[[ ${1:-} != --update || -z ${KERNELS:-} ]] ||
	die "--update writes the table of all kernels: run it without KERNELS"
read -ra kernels <<< "${KERNELS:-${ALL[*]}}"
for kernel in "${kernels[@]}"; do
	[[ " ${ALL[*]} " = *" $kernel "* ]] ||
		die "KERNELS: there is no kernel $kernel: take some of ${ALL[*]}"
done

# A command for one of the kernels ends when this one does.
stop_kernel() {
	local status=$?
	[[ -z $running ]] || { kill -TERM "$running"; wait "$running"; } 2> /dev/null || true
	cleanup "$status"
}

# settings_of KERNEL: what a command for that kernel is told. KERNEL_PIN is of one series.
settings_of() {
	settings=(KERNEL_SERIES="${1%/*}" FLAVOUR="${1#*/}")
	[[ ${1%/*} = "$KERNEL_SERIES" ]] || settings=(-u KERNEL_PIN "${settings[@]}")
}

# Every series has a cache folder of its own.
results_of() {
	env "${settings[@]}" SRC="$SRC" bash -c '
		. "$SRC/tools/lib.sh"
		. "$SRC/tools/root.sh"
		locate_root
		echo "$STATE/log/kernels$OF_FLAVOUR"
	'
}

# What the guests run is made from this.
sources_key() {
	sync_sources kernels
	(cd "$STATE/build/kernels" &&
		find rust tools/guest/{init,initramfs.sh,demo.sh,debug-exit.c} \
			tools/testing/selftests -type f -print0 |
		sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-10)
}

# test_kernel KERNEL FOLDER: it leaves its results there; a kernel that cannot be had, or that the
# module cannot be built for, leaves none, which is a failure.
test_kernel() {
	local kernel=$1 dir=$2 theirs status=0
	settings_of "$kernel"
	theirs=$(results_of)
	mkdir -p "$dir"
	if [[ $(cat "$theirs/passed" 2> /dev/null) = "$KEY" ]]; then
		echo "kept: $theirs"
		cp -a "$theirs/." "$dir"
		return
	fi
	remove "$theirs"
	env "${settings[@]}" RESULTS="$theirs" "$SRC/tools/test.sh" "${KINDS[@]}" &
	running=$!
	wait "$running" || status=$?
	running=
	((status < 128)) || exit "$status"
	((status != 0)) || echo "$KEY" > "$theirs/passed"
	[[ ! -e $theirs ]] || cp -a "$theirs/." "$dir"
}

need_root
running=
trap stop_kernel EXIT
KEY=$(locked kernels sources_key)
results=$STATE/log/kernels-all
judged=()
for kernel in "${kernels[@]}"; do
	echo "== $kernel"
	test_kernel "$kernel" "$RUN/kernels/${kernel/\//-}"
	judged+=("$kernel=$(inside "$results/${kernel/\//-}")")
done
remove "$results"
mv -T "$RUN/kernels" "$results"

which=all
[[ ${1:-} != --update && -z ${KERNELS:-} ]] || which=some
echo "== all"
echo "results and consoles: $results"
status=0
in_root python3 /mnt/src/tools/kernels.py "$(inside "$RUN/table")" "/mnt/src/$PAGE" "$which" \
	"${KINDS[*]}" "${judged[@]}" || status=$?
if [[ ${1:-} = --update ]] && ((status == 0)); then
	sed '/^\.\. begin /q' "$SRC/$PAGE" > "$RUN/page"
	printf '\n%s\n\n' "$(< "$RUN/table")" >> "$RUN/page"
	sed -n '/^\.\. end$/,$p' "$SRC/$PAGE" >> "$RUN/page"
	cp "$RUN/page" "$SRC/$PAGE"
	echo "written: $PAGE"
fi
exit "$status"
