# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
# The statements of user-session-keyring(7), without the module and with it, and the table of both
# that is kept in Documentation/conformance.rst.

TAB=$(printf '\t')

# The one that the kernel alone does not make true.
UNTRUE_ABSENT=M14

is_untrue() {
	[ "$1 $2" = "absent $UNTRUE_ABSENT" ]
}

# statement_name STAGE NUMBER TEXT
statement_name() {
	if is_untrue "$1" "$2"; then
		echo "$1: man page: $2 does not hold: $3"
	else
		echo "$1: man page: $2 $3"
	fi
}

list_conformance() {
	./conformance --list | while IFS=$TAB read -r statement text; do
		statement_name "$1" "$statement" "$text"
	done
}

# A statement that the program did not come to has no line, and is missing.
conformance() {
	./conformance >"$WORK/conformance $1"
	while IFS=$TAB read -r verdict statement text observed; do
		case $verdict in
		ok) untrue=0 ;;
		"not ok") untrue=1 ;;
		*)
			note "$verdict"
			continue
			;;
		esac
		note "$observed"
		! is_untrue "$1" "$statement" || untrue=$((!untrue))
		result "$untrue" "$(statement_name "$1" "$statement" "$text")"
	done <"$WORK/conformance $1"
}

TABLE="the table in Documentation/conformance.rst"

list_table() {
	echo "$TABLE"
}

# make_table ABSENT PRESENT: what was observed is told where it differs.
make_table() {
	for stage; do
		grep -E "^(not )?ok$TAB" "$stage" >"$stage.statements"
	done
	paste "$1.statements" "$2.statements" | awk -F '\t' '
		function cell(mark, text,    words, i, line) {
			line = "   " mark " -"
			for (i = 1; i <= split(text, words, " "); i++) {
				if (length(line " " words[i]) > 90) {
					print line
					line = "      "
				}
				line = line " " words[i]
			}
			print line
		}
		function verdict(holds, observed) {
			return (holds == "ok" ? "holds" : "does not hold") observed
		}
		function row(number, text, absent, present) {
			cell("*", number)
			cell(" ", text)
			cell(" ", absent)
			cell(" ", present)
		}
		BEGIN {
			print ".. list-table::"
			print "   :header-rows: 1"
			print "   :widths: 6 44 25 25"
			print ""
			row("No.", "Statement", "Without the module", "With the module")
		}
		{
			same = $1 == $5 && $4 == $8
			row($2, $3, verdict($1, same ? "" : ": " $4),
			    verdict($5, same ? "" : ": " $8))
		}'
}

# It is in what the tests say as well, for update-conformance.
table() {
	make_table "$WORK/conformance absent" "$WORK/conformance present" >"$WORK/table"
	sed 's/^/#| /' "$WORK/table"
	sed -n '/^\.\. begin /,/^\.\. end$/p' conformance.rst | sed '1,2d; $d' | sed '$d' \
		>"$WORK/kept"
	cmp -s "$WORK/kept" "$WORK/table" || {
		note "it is not what was observed; update-conformance writes it anew:"
		diff -U 3 "$WORK/kept" "$WORK/table" | sed 's/^/#   /'
		false
	}
	result $? "$TABLE"
}
