# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Shows that the kernels that watch would have spoken, and that they would have been listened to: a
# mistake passes if the rule by which all guests are judged finds it.

test_detectors_kasan() {
	test_payload detectors-kasan kasan detectors.sh 600 600 kasan_multi_shot
	judge_mistakes detectors-kasan
}

test_detectors_kcsan() {
	test_payload detectors-kcsan kcsan detectors.sh 600 600 "${KCSAN_DELAYS[@]}"
	judge_mistakes detectors-kcsan
}

test_detectors_rt() {
	test_payload detectors-rt rt detectors.sh 600 600
	judge_mistakes detectors-rt
}

# judge_mistakes KIND: its guest has to have complained, of each.
judge_mistakes() {
	local dir name words found section=$RUN/section number=0
	dir=$(results "$1")
	[[ $(< "$dir/status") = complained:* ]] || return 0
	# What was said outside of all mistakes was not asked for.
	sed '/: [a-z_]* begins\r*$/,/: [a-z_]* ends\r*$/d' "$dir/console.log" > "$section"
	[[ -n $(complaint "$section") ]] || echo ok > "$dir/status"
	echo "1..$(wc -l < "$dir/expected")" > "$dir/tap"
	while IFS=: read -r name words; do
		number=$((number + 1))
		sed -n "/: $name begins/,/: $name ends/p" "$dir/console.log" > "$section"
		# Lockdep is switched on again each time, and makes something of locks that were
		# released before.
		found=$(complaints "$section") || true
		if grep -qE "${words# }" <<< "$found"; then
			echo "ok $number - $name"
		else
			echo "# it was noticed by \"${found%%$'\n'*}\", not by \"${words# }\""
			echo "not ok $number - $name"
		fi
	done < <("$RUN/$1/run" --words) >> "$dir/tap"
	echo "# figure: mistakes found in the ${1#detectors-} kernel: $(grep -c '^ok' "$dir/tap")" \
		>> "$dir/tap"
}
