# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# Whether anything is left in the caches of the slab allocator, or in CACHES alone. They are told
# from one another by "slab_nomerge" on the kernel's command line.

: "${CACHES:=*}"

# To be called before the log is looked at: the kernel says that it is told so, and no more.
drop_caches_silently() {
	echo 4 >/proc/sys/vm/drop_caches
}

# To be called when caches are warm, and every path has been taken.
count_objects() {
	objects >/dev/null
	objects >"$WORK/objects.before"
}

# Objects of each cache, without those that are free. Stacks of processes that
# have exited are kept for the next ones, and what is mapped there with them; and
# DEBUG_OBJECTS keeps what it has told objects by.
objects() {
	# What can be had again. What was used of late is spared the first time.
	for _ in 1 2 3; do
		echo 2 >/proc/sys/vm/drop_caches
	done
	(
		cd /sys/kernel/slab || exit
		for cache in $CACHES; do
			case $cache in
			vmap_area | debug_objects_cache) continue ;;
			esac
			echo 1 >"$cache/shrink" 2>/dev/null
			echo "$cache $(cut -d ' ' -f 1 "$cache/objects")"
		done | sort
	)
}

# Whether no cache has grown by LIMIT objects; which has grown most is in $WORK/most.
settled() {
	objects >"$WORK/objects.after"
	grown=$(awk -v limit="$1" '
		NR == FNR { before[$1] = $2; next }
		$2 - before[$1] > most { most = $2 - before[$1]; which = $1 }
		$2 - before[$1] >= limit { print $1 "+" $2 - before[$1] }
		END { if (FNR) print which, most > "/dev/stderr" }
	' "$WORK/objects.before" "$WORK/objects.after" 2>"$WORK/most")
	[ -z "$grown" ]
}

# Keys are freed by a work item, and memory after grace periods.
settle() {
	tries=10
	until settled "$1" || [ "$((tries -= 1))" = 0 ]; do
		sleep 1
	done
}

# none_has_grown LIMIT OVER: what settle() has found.
none_has_grown() {
	note "most: $(cat "$WORK/most") objects, over $2"
	[ -s "$WORK/most" ] || complain "there are no caches"
	[ -z "$grown" ] || complain "grown by $1 or more: $grown"
}
