# SPDX-License-Identifier: GPL-2.0
# Run inside the new build root by root.sh: install the packages of one stock kernel.
# Usage: sh debian-kernel.sh SERIES PIN, as in 7.3 and 7.3.4; prints the release.

set -eu
series=$1 pin=$2

pattern="$(echo "$series" | sed 's/\./\\./')\.[0-9]*+deb[0-9]*-amd64"
releases=$(apt-cache pkgnames linux-headers- |
	sed -n "s/^linux-headers-\($pattern\)\$/\1/p" | sort -V)
if [ -z "$releases" ]; then
	echo "refusal: the archive has no kernel of the series $series:" \
		"set KERNEL_SERIES to one that it has" >&2
	exit 1
fi
release=$(echo "$releases" | grep -F -m 1 "$pin+" || echo "$releases" | tail -n 1)
version=$(apt-cache show "linux-headers-$release" | sed -n 's/^Version: //p' | head -n 1)

# The source must be the very one that this kernel was built from.
apt-get -y install "linux-headers-$release=$version" "linux-base-$release=$version" \
	"linux-binary-$release=$version" "linux-source-$series=$version" >&2
echo "$release"
