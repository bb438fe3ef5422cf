# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What every command shares: settings, refusals, stages, locks and clean-up.
# To be sourced, by commands.sh first of all, with the top of the checkout in SRC.

set -euo pipefail
shopt -s inherit_errexit

: "${KERNEL_SERIES:=7.3}"
# The point release of each series that everything was tried on; of others, the newest is taken.
declare -A TRIED=([7.2]=7.2.12 [7.3]=7.3.4)
: "${KERNEL_PIN:=${TRIED[$KERNEL_SERIES]-$KERNEL_SERIES}}"
: "${FLAVOUR:=amd64}"
: "${ACCEL:=auto}"
: "${MIRROR:=}"
: "${USK_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/user_session_keyring}"

RUN=
JOB=
STAGE_REFUSAL=

# A stage runs with its output in a log, so its refusal goes through a file.
die() {
	if [[ -n $STAGE_REFUSAL ]]; then
		echo "$*" > "$STAGE_REFUSAL"
	else
		echo "error: $*" >&2
	fi
	exit 1
}

space_ran_out() {
	die "no space left under $USK_CACHE: free some, or set USK_CACHE to a folder with room"
}

become_root() {
	[[ $(realpath -m "$USK_CACHE")/ != "$SRC"/* ]] ||
		die "USK_CACHE=$USK_CACHE lies within the sources: name a folder elsewhere"
	mkdir -p "$USK_CACHE" 2>/dev/null ||
		die "cannot create the cache folder $USK_CACHE:" \
			"set USK_CACHE to a folder you may write to"
	USK_CACHE=$(cd "$USK_CACHE" && pwd)
	[[ $EUID != 0 ]] || return 0
	command -v sudo >/dev/null ||
		die "root is needed to make the build root: run this as root, or install sudo"
	exec sudo KERNEL_SERIES="$KERNEL_SERIES" KERNEL_PIN="$KERNEL_PIN" FLAVOUR="$FLAVOUR" \
		ACCEL="$ACCEL" MIRROR="$MIRROR" USK_CACHE="$USK_CACHE" FILTER="${FILTER-}" \
		SIZE="${SIZE-}" RESULTS="${RESULTS-}" STAGES="${STAGES-}" \
		SAMPLES="${SAMPLES-}" KERNELS="${KERNELS-}" \
		SIGNOFF="${SIGNOFF:-$(identity)}" bash "$0" "$@"
}

# Who commits here, as in "Name <mail>". Root need not be known to git.
identity() {
	local name mail
	name=$(git config user.name) && mail=$(git config user.email) && echo "$name <$mail>"
} 2> /dev/null

setup() {
	case $ACCEL in
	auto | tcg | kvm) ;;
	*) die "ACCEL=$ACCEL is not known: use auto, tcg or kvm" ;;
	esac
	[[ $KERNEL_SERIES =~ ^[0-9]+\.[0-9]+$ ]] ||
		die "KERNEL_SERIES=$KERNEL_SERIES is not a kernel series:" \
			"give it as in KERNEL_SERIES=7.3"
	printf '%s\n' 7.2 "$KERNEL_SERIES" | sort -CV ||
		die "KERNEL_SERIES=$KERNEL_SERIES is older than all that the module is for: use" \
			"7.2 or 7.3"
	[[ $KERNEL_PIN = "$KERNEL_SERIES" || $KERNEL_PIN = "$KERNEL_SERIES".+([0-9]) ]] ||
		die "KERNEL_PIN=$KERNEL_PIN is no point release of $KERNEL_SERIES:" \
			"give it as in KERNEL_PIN=$KERNEL_SERIES.4"
	case $FLAVOUR in
	amd64 | cloud-amd64 | rt-amd64) ;;
	*) die "FLAVOUR=$FLAVOUR is not known: use amd64, cloud-amd64 or rt-amd64" ;;
	esac
	trap cleanup EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	locate_root
	mkdir -p "$STATE/run" "$STATE/log" 2>/dev/null ||
		die "cannot write to the cache folder $USK_CACHE"
	RUN=$(mktemp -d "$STATE/run/XXXXXX") || die "cannot write to the cache folder $USK_CACHE"
}

# Files are still being written while the killed job goes down, hence the second try.
remove() {
	local _
	for _ in {1..50}; do
		rm -rf --one-file-system -- "$@" 2>/dev/null && return
		sleep 0.1
	done
	echo "error: could not remove $*: remove it by hand" >&2
}

cleanup() {
	local status=${1:-$?}
	trap '' HUP INT TERM
	# The job's process group holds the unshare that takes its whole PID namespace along.
	# Waited for, so that bash does not tell of its death.
	[[ -z $JOB ]] || { kill -KILL -- "-$JOB"; wait "$JOB"; } 2>/dev/null || true
	[[ -z $RUN ]] || remove "$RUN" "$STATE"/*.partial-$$
	exit "$status"
}

now() {
	echo "${EPOCHREALTIME/[.,]/}"
}

# Seconds since $1, with one decimal.
since() {
	local tenths=$((($(now) - $1) / 100000))
	echo "$((tenths / 10)).$((tenths % 10))"
}

# Jobs run in a process group of their own: a signal reaches this shell first, which then ends them.
job() {
	set -m
	"$@" &
	JOB=$!
	set +m
}

finish_job() {
	local status=0
	wait "$JOB" 2>/dev/null || status=$?
	JOB=
	return "$status"
}

# stage TEXT COMMAND...: run COMMAND with its output in a log, and show that it progresses.
stage() {
	local text=$1 start log refusal=$RUN/refusal status=0 ticks=0
	shift
	start=$(now)
	log=$STATE/log/$$.log
	: > "$refusal"
	printf '%-58s' "$text"
	STAGE_REFUSAL=$refusal job "$@" > "$log" 2>&1 < /dev/null
	while kill -0 "$JOB" 2>/dev/null; do
		sleep 0.2
		ticks=$((ticks + 1))
		if [[ -t 1 ]]; then
			printf '\r%-58s%8s s' "$text" "$(since "$start")"
		elif ((ticks % 50 == 0)); then
			printf .
		fi
	done
	finish_job || status=$?
	if ((status == 0)); then
		[[ ! -t 1 ]] || printf '\r%-58s' "$text"
		printf '%8s s\n' "$(since "$start")"
		rm -f "$log"
		return
	fi
	echo "   failed"
	if [[ -s $refusal ]]; then
		rm -f "$log"
		die "$(< "$refusal")"
	elif grep -q 'No space left on device' "$log"; then
		rm -f "$log"
		space_ran_out
	fi
	mv "$log" "$STATE/log/failed.log"
	tail -n 50 "$STATE/log/failed.log" >&2
	die "'$text' failed; the whole log is $STATE/log/failed.log"
}

# locked NAME COMMAND...: two runs at once take turns.
locked() {
	local lock
	exec {lock}> "$STATE/$1.lock"
	shift
	flock "$lock"
	"$@"
	exec {lock}>&-
}

need_space() {
	local have
	have=$(df --output=avail -BM "$USK_CACHE" | tail -n 1 | tr -dc 0-9)
	((have >= $1)) ||
		die "no disk space: $USK_CACHE has $have MB free, $1 MB are needed;" \
			"free some, or set USK_CACHE to a folder with room"
}
