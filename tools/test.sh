#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make test, make kunit: run all tests, or those of the kinds named, and judge them together.
# Usage: test.sh [KIND]...; a kind is a file in tools/kinds
#
# SIZE=full has them take as long as the figures in Documentation/proof.rst ask for. RESULTS is the
# folder, in the cache, that results and consoles are left in.

. "$(dirname "$0")/commands.sh" "$@"

E2E=tools/testing/selftests/user_session_keyring
: "${SIZE:=short}"
: "${RESULTS:=$STATE/log/results}"

# Every kind leaves a folder for verdict.py.
results() {
	echo "$RUN/results/$1"
}

# A guest's output is its result. One that hung or died is shown at once.
test_guest() {
	local text=$1 dir=$2
	shift
	stage "$text" guest "$@"
	case $(< "$dir/status") in
	hung* | died* | unfit*) explain_guest "$dir" ;;
	esac
}

guest() {
	local reader=memory
	[[ ! -e $1/followed ]] || reader=trace
	if [[ -p $1/answers ]]; then
		vm "$@" | in_root python3 "/mnt/src/tools/$reader.py" "$(inside "$1")"
	else
		vm "$@"
	fi > "$1/tap"
}

# test_payload KIND KERNEL SCRIPT SECONDS SECONDS_FULL [APPEND...]: SCRIPT, of the end-to-end tests,
# is what the guest runs. It lists its tests itself, and finds in the file "size" how much of them
# is asked for, in "kernel" which one it is, in "patience" how slow that is, and in "watched"
# whether there are detectors, to which some of it makes no difference.
test_payload() {
	local kind=$1 kernel=$2 script=$3 seconds=$4 full=$5 dir tree payload=$RUN/$1
	shift 5
	dir=$(results "$kind")
	tree=$(tree "$kernel")
	need_kernel "$kernel"
	need_module "$kernel" "$payload" ${SAMPLES:+SAMPLES="$SAMPLES"}
	stage "end-to-end tests: build" locked "build-$tree" build_end_to_end "$tree" "$payload"
	[[ $script = run ]] || mv "$payload/$script" "$payload/run"
	echo "$SIZE" > "$payload/size"
	echo "$kernel" > "$payload/kernel"
	patience "$kernel" > "$payload/patience"
	if_watched "$kernel" yes no > "$payload/watched"
	"$payload/run" --list > "$dir/expected"
	[[ -s $dir/expected ]] || die "$E2E/$script lists no tests: see its --list"
	[[ $SIZE != full ]] || seconds=$full
	test_guest "$kind: run in the $kernel kernel, $SIZE" "$dir" "$kernel" "$payload" \
		"$seconds" "$ACCEL" "$@"
	grep -E '^# (figure|measured): ' "$dir/tap" || true
}

build_end_to_end() {
	in_root make -s -C "/mnt/cache/build/$1/$E2E" \
		OUTPUT="/mnt/cache/build/end-to-end-$1" KDIR="/mnt/cache/$1"
	cp -a "$STATE/build/end-to-end-$1/." "$2"
}

for kind in "$SRC"/tools/kinds/*.sh; do
	# shellcheck source=/dev/null
	. "$kind"
done

kinds=("$@")
[[ $# != 0 ]] || kinds=(
	host kunit end-to-end samples memory keyutils differential threats faults storms takeovers
	upheavals bench trace tracers docs commands commands-guest gdb
)
[[ $SIZE =~ ^(short|full)$ ]] || die "SIZE=$SIZE is not known: use short or full"
for kind in "${kinds[@]}"; do
	declare -F "test_${kind//-/_}" > /dev/null ||
		die "there are no tests of the kind $kind: see tools/kinds"
done

need_root
choose_accelerator
judged=()
for kind in "${kinds[@]}"; do
	mkdir -p "$(results "$kind")"
	"test_${kind//-/_}"
	judged+=("$kind=$(inside "$RESULTS")/$kind")
done
remove "$RESULTS"
mkdir -p "$(dirname "$RESULTS")"
mv -T "$RUN/results" "$RESULTS"
echo "results and consoles: $RESULTS"
in_root python3 /mnt/src/tools/verdict.py "${judged[@]}"
