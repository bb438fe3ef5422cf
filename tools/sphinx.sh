# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What makes pages of Documentation. To be sourced.

# Who reads the pages as they are never needs this.
need_sphinx() {
	[[ -x $ROOT/usr/bin/sphinx-build && -x $ROOT/usr/bin/mandoc && -x $ROOT/usr/bin/groff ]] ||
		stage "sphinx and mandoc: install into the build root" \
			locked root install_packages groff-base mandoc python3-sphinx
}

# build_pages BUILDER FOLDER: all pages, and a warning is an error.
build_pages() {
	in_root sphinx-build -W --keep-going -q -E -b "$1" -d /tmp/doctrees \
		/mnt/src/Documentation "$(inside "$2")"
}
