# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The pages: they are built without a warning, and the linters have nothing to say of man pages.

. "$SRC/tools/sphinx.sh"

PAGE_TESTS=(html text mandoc groff drawings)

test_docs() {
	local dir
	dir=$(results docs)
	need_sphinx
	printf 'pages: %s\n' "${PAGE_TESTS[@]}" > "$dir/expected"
	stage "docs: build and check" check_pages "$dir"
}

check_pages() {
	local name number=0 log=$RUN/page.log
	mkdir "$RUN/pages"
	{
		echo "1..${#PAGE_TESTS[@]}"
		for name in "${PAGE_TESTS[@]}"; do
			number=$((number + 1))
			"pages_$name" > "$log" 2>&1 || { sed 's/^/# /' "$log"; printf 'not '; }
			echo "ok $number - pages: $name"
		done
	} > "$1/tap"
	echo ok > "$1/status"
}

pages_html() {
	build_pages html "$RUN/pages/html"
}

pages_text() {
	build_pages text "$RUN/pages/text"
}

# Of the style as well. Other pages are not in the build root.
pages_mandoc() {
	in_root sh -c '
		! mandoc -T lint -W style /mnt/src/Documentation/man/*.[1-8] |
			grep -v "referenced manual not found"'
}

# It has no status of its own for a warning.
pages_groff() {
	in_root sh -c '
		! groff -ww -Tutf8 -mandoc -z /mnt/src/Documentation/man/*.[1-8] 2>&1 | grep .'
}

pages_drawings() {
	in_root sh -c '
		python3 -c "import sys, xml.dom.minidom
for file in sys.argv[1:]: xml.dom.minidom.parse(file)" /mnt/src/Documentation/*.svg'
}
