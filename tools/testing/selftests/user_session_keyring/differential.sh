#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Random programs over the key calls, played without the module and with it: run in the guest, as
# root, with the module absent. differential.c has what is compared, and how.
#
# Usage: differential.sh [--list]
#        differential.sh --judge|--judge-lies FOLDER	(for differential minimize)
#
# The file "size" says how much of it: "full", or "short" if it is missing. Programs that are kept
# are in differential.d; what diverges is made small, and printed as one that can be.

SELF=$PWD/$0
[ "${0#/}" = "$0" ] || SELF=$0
cd "$(dirname "$0")" || exit
. ./functions.sh

OPS=100
# How many divergences are made small: each takes a minute or two.
if holds size full; then
	FIRST=1000001 PROGRAMS=1300 SMALL=3
else
	FIRST=1 PROGRAMS=45 SMALL=1
fi
LAST=$((FIRST + PROGRAMS - 1))

kept() {
	for file in differential.d/*; do
		[ ! -e "$file" ] || echo "${file##*/}"
	done
}

list() {
	echo "differential: a lie is found, and the shrinker finds its cause"
	kept | sed 's/^/differential: kept: /'
	echo "differential: $PROGRAMS programs from seed $FIRST without divergence
differential: every operation was met by success and by failure
differential: the log of all this"
}

# The first of the programs in a folder that diverges, if one does.
judge() {
	[ ! -e "/sys/module/$MODULE" ] || unload
	./differential play "$JUDGED" "$1"/* 2>/dev/null
	load
	./differential first "$JUDGED" "$1"/* 2>/dev/null
}

judge_lies() {
	./differential play "$JUDGED" "$1"/* 2>/dev/null
	LIE=1 ./differential first "$JUDGED" "$1"/* 2>/dev/null
}

# shrink JUDGE PROGRAM: leave the smallest that still diverges in $WORK/small.
shrink() {
	rm -rf "$JUDGED" && mkdir "$JUDGED"
	(cd "$WORK" && "$SELF_DIR/differential" minimize "$2" "$SELF $1") \
		>"$WORK/small" 2>"$WORK/rounds" || complain "it cannot be made smaller"
	note "$(cat "$WORK/rounds")"
}

show() {
	sed 's/^/#   /' "$1"
}

# Where a transcript in DIR is not what was expected.
show_divergence() {
	diff -U 6 "$1" "$1.diverged" >"$WORK/divergence"
	head -n 60 "$WORK/divergence" | sed 's/^/#   /'
}

# explain SEED: the program, as small as it gets, and what it is answered.
explain() {
	./differential print "$1" "$1" "$OPS" >"$WORK/program"
	shrink --judge "$WORK/program"
	note "this diverges; put it into differential.d, below the line of its licence:"
	show "$WORK/small"
	mkdir "$WORK/one" && cp "$WORK/small" "$WORK/one/"
	if [ -n "$(judge "$WORK/one")" ]; then
		show_divergence "$JUDGED/small"
	else
		note "but it did not when it was played once more"
	fi
	rm -rf "$WORK/one"
}

# Actors misreport what they are told of a revoked key.
lies() {
	LIE=1 ./differential compare "$WORK/seeds" "$FIRST" $((FIRST + 19)) "$OPS" \
		>"$WORK/liars" 2>/dev/null
	read -r liar <"$WORK/liars" || complain "the lie is not found"
	rm -f "$WORK"/seeds/*.diverged
	no_complaints || return
	./differential print "$liar" "$liar" "$OPS" >"$WORK/program"
	shrink --judge-lies "$WORK/program"
	grep -q " revoke " "$WORK/small" || complain "that a key was revoked is the cause"
	left=$(grep -c '^[0-9]' "$WORK/small")
	[ "$left" -le 6 ] || complain "$left operations are left of $OPS"
	note "found in a program of $OPS operations, and shrunk to $left:"
	show "$WORK/small"
}

# What no operation was answered shows nothing of it.
covered() {
	awk '
		NR > 3 && !/^back to what lived on: / {
			split($0, side, ": ")
			if (side[2] !~ /^ok /)
				print side[1] " never succeeded"
			else if (side[1] !~ /cannot fail/ && side[2] !~ / E[A-Z]+ /)
				print side[1] " never failed"
		}
	' "$1"
}

# lived_on WAY: how often a kept program has somebody come back to it.
lived_on() {
	awk -v way="$1" '
		/^back to what lived on: / {
			for (i = 6; i < NF; i += 2)
				if ($i == way)
					print $(i + 1)
		}
	' "$WORK/error"
}

kept_diverge() {
	grep -qx "$1" "$WORK/kept.diverged"
}

if [ "$1" = --list ]; then
	list
	exit
fi

SELF_DIR=$PWD
if [ "$1" = --judge ] || [ "$1" = --judge-lies ]; then
	wrong=0
	case $2 in
	/*) folder=$2 ;;
	*) folder=$WORK/$2 ;;
	esac
	case $1 in
	--judge) judge "$folder" ;;
	*) judge_lies "$folder" ;;
	esac
	exit
fi

WORK=$(mktemp -d)
JUDGED=$WORK/judged
export WORK JUDGED
trap 'rm -rf "$WORK"' EXIT
trap 'exit 1' INT TERM
chmod 711 "$WORK"
mkdir "$WORK/seeds" "$WORK/kept" "$JUDGED"
echo "TAP version 13"
echo "1..$(list | wc -l)"
cp differential /sbin/request-key
insmod ./test_differential.ko || {
	echo "Bail out! test_differential.ko cannot be loaded"
	exit 1
}

begin_test
./differential play "$WORK/seeds" "$FIRST" "$LAST" "$OPS" 2>"$WORK/coverage" ||
	complain "programs cannot be played: $(tail -n 3 "$WORK/coverage")"
[ -z "$(kept)" ] || ./differential play "$WORK/kept" differential.d/* 2>"$WORK/error" ||
	complain "kept programs cannot be played: $(cat "$WORK/error")"
lies
result "$wrong" "differential: a lie is found, and the shrinker finds its cause"

wrong=0
load
: >"$WORK/kept.diverged"
[ -z "$(kept)" ] || ./differential compare "$WORK/kept" differential.d/* \
	>"$WORK/kept.diverged" 2>"$WORK/error"
[ $? -le 1 ] || complain "kept programs cannot be played again: $(cat "$WORK/error")"
# In random programs few come back to what has lived on.
for way in @us @u request_key proc; do
	met "survivors that were come back to by $way" "$(lived_on "$way")"
done
for name in $(kept); do
	! kept_diverge "$name" || show_divergence "$WORK/kept/$name"
	no_complaints && ! kept_diverge "$name"
	result $? "differential: kept: $name"
done

./differential compare "$WORK/seeds" "$FIRST" "$LAST" "$OPS" \
	>"$WORK/diverged" 2>"$WORK/compared"
[ $? -le 1 ] || complain "programs cannot be played again: $(tail -n 3 "$WORK/compared")"
same "deaths that were missed" "$(counter missed)" 0
diverged=$(wc -l <"$WORK/diverged")
note "figure: differential programs: $(sed -n 's/^programs //p' "$WORK/compared")"
note "figure: differential operations: $(sed -n 's/^operations //p' "$WORK/compared")"
note "figure: differential divergences: $diverged"
note "look-ups: $(counter hits) by the lock-free path, $(counter misses) by the slow one," \
	"$(counter rcu_hits) and $(counter rcu_misses) of request_key();" \
	"$(counter deaths) deaths"
for seed in $(head -n "$SMALL" "$WORK/diverged"); do
	note "the program of seed $seed diverges:"
	show_divergence "$WORK/seeds/$seed"
done
for seed in $(head -n "$SMALL" "$WORK/diverged"); do
	explain "$seed"
done
same "programs that diverge" "$diverged" 0
result "$wrong" "differential: $PROGRAMS programs from seed $FIRST without divergence"

wrong=0
show "$WORK/coverage"
covered "$WORK/coverage" >"$WORK/uncovered"
[ ! -s "$WORK/uncovered" ] || complain "$(cat "$WORK/uncovered")"
result "$wrong" "differential: every operation was met by success and by failure"

wrong=0
[ ! -e "/sys/module/$MODULE" ] || unload
rmmod test_differential || complain "test_differential cannot be removed"
end_test "differential: the log of all this"

exit $((failed > 0))
