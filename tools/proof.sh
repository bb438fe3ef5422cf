#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make proof: all that speaks for the module, at full length, and a table of it.
# Usage: proof.sh [--update]
#
# A stage that has passed is kept for as long as the sources stay what they are: what was
# interrupted, or failed, goes on from there. STAGES names the stages to run, if not all. With
# --update the figures are written into Documentation/proof.rst instead of being compared with it.

. "$(dirname "$0")/commands.sh" "$@"

# Kinds of tests in tools/kinds, those that take longest first.
ALL=(
	takeovers takeovers-2 takeovers-3 takeovers-4 keyutils-limits differential storms upheavals
	end-to-end-kasan storms-kasan keyutils end-to-end leaks storms-kcsan faults-kasan faults
	kunit-kasan kunit-rt threats kunit commands gdb trace host samples tracers commands-guest
	detectors-kasan detectors-kcsan detectors-rt docs memory
)
# Guests wait for time to pass as much as they work.
SLOTS=$(($(nproc) * 3 / 2))
PAGE=Documentation/proof.rst

[[ ${1:-} != --update || -z ${STAGES:-} ]] ||
	die "--update writes the figures of all stages: run it without STAGES"
[[ -z ${FILTER:-} ]] || die "FILTER would leave out tests: run it without"
read -ra stages <<< "${STAGES:-${ALL[*]}}"
for stage in "${stages[@]}"; do
	[[ " ${ALL[*]} " = *" $stage "* ]] ||
		die "STAGES: there is no stage $stage: take some of ${ALL[*]}"
done

# A stage ends when it is told to, and leaves nothing behind.
stop_stages() {
	local status=$?
	mapfile -t running < <(jobs -pr)
	((${#running[@]} == 0)) || kill -TERM "${running[@]}" 2> /dev/null || true
	wait
	cleanup "$status"
}

# What the stages are made from: all but the figures, which --update writes.
sources_key() {
	sync_sources proof
	(cd "$STATE/build/proof" && {
		find . -type f ! -path "./$PAGE" -print0 | sort -z | xargs -0 sha256sum
		sed '/^\.\. begin /,/^\.\. end$/d' "$PAGE" | sha256sum
	} | sha256sum | cut -c 1-10)
}

# kernel_of STAGE
kernel_of() {
	case $1 in
	*kcsan) echo kcsan ;;
	*kasan | leaks) echo kasan ;;
	*-rt) echo rt ;;
	kunit | faults) echo kunit ;;
	*) echo stock ;;
	esac
}

run_stage() {
	local stage=$1 dir=$PROOF/$1 start status=0
	start=$(now)
	remove "$dir"
	SIZE=full RESULTS=$dir "$SRC/tools/test.sh" "$stage" > "$dir.log" 2>&1 < /dev/null &
	# shellcheck disable=SC2064
	trap "kill $!; wait $!; exit 143" TERM
	wait "$!" || status=$?
	# A refusal leaves no results.
	mkdir -p "$dir/$stage"
	since "$start" > "$dir/seconds"
	LC_ALL=C times > "$dir/times"
	if [[ $(locked proof sources_key) != "$KEY" ]]; then
		touch "$RUN/changed"
	elif ((status == 0)); then
		touch "$dir/passed"
	fi
	printf '%-30s%8s s   %s\n' "$stage" "$(< "$dir/seconds")" "$(tail -n 1 "$dir.log")"
}

write_page() {
	local page=$RUN/page
	sed '/^\.\. begin /q' "$SRC/$PAGE" > "$page"
	printf '\n%s\n\n' "$(< "$RUN/figures")" >> "$page"
	sed -n '/^\.\. end$/,$p' "$SRC/$PAGE" >> "$page"
	cp "$page" "$SRC/$PAGE"
}

need_root
choose_accelerator
trap stop_stages EXIT
KEY=$(locked proof sources_key)
PROOF=$STATE/proof/$RELEASE-$KEY-$ACCEL
mkdir -p "$PROOF"
for stage in "${stages[@]}"; do
	need_kernel "$(kernel_of "$stage")"
done

for stage in "${stages[@]}"; do
	if [[ -e $PROOF/$stage/passed ]]; then
		printf '%-30s%8s s   %s\n' "$stage" kept "$(tail -n 1 "$PROOF/$stage.log")"
		continue
	fi
	while (($(jobs -pr | wc -l) >= SLOTS)); do
		wait -n || true
	done
	run_stage "$stage" &
done
wait

[[ ! -e $RUN/changed ]] ||
	die "the sources have changed meanwhile: run it again, what has passed until then is kept"
page=/mnt/src/$PAGE
[[ ${1:-} != --update && -z ${STAGES:-} ]] || page=-
echo "results and consoles: $PROOF"
status=0
in_root python3 /mnt/src/tools/proof.py "$(inside "$RUN/figures")" "$page" \
	"$(inside "$PROOF")" "${stages[@]}" || status=$?
[[ ${1:-} != --update ]] || ((status != 0)) || write_page
exit "$status"
