#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# make docs: pages of HTML from Documentation.

. "$(dirname "$0")/commands.sh" "$@"
. "$SRC/tools/sphinx.sh"

make_html() {
	build_pages html "$RUN/html"
	remove "$STATE/html"
	mv -T "$RUN/html" "$STATE/html"
}

need_root
need_sphinx
stage "documentation: HTML" locked html make_html
echo "the first page: $STATE/html/index.html"
