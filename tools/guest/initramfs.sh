#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Run inside the build root: write the guest's initramfs to the standard output.

set -eu
cd "$(mktemp -d)"
chmod 755 .
mkdir -p usr/bin usr/sbin usr/lib usr/lib64 usr/share etc dev proc sys tmp run root
mkdir -p home/alice home/bob home/carol
ln -s usr/bin usr/sbin usr/lib usr/lib64 .

cp /usr/bin/busybox /usr/bin/keyctl usr/bin
cp /usr/sbin/request-key usr/sbin
cp -a /usr/share/keyutils usr/share
cp -a /etc/request-key.conf etc
mkdir -p etc/request-key.d
# /lib and /lib64 are links into /usr, here and there.
for library in $(ldd /usr/bin/keyctl /usr/sbin/request-key | grep -o '/lib[^ ]*' | sort -u); do
	mkdir -p "./usr$(dirname "$library")"
	cp "$library" "./usr$library"
done
for applet in $(busybox --list); do
	[ -e "usr/bin/$applet" ] || ln -s busybox "usr/bin/$applet"
done

cat > etc/passwd <<-END
	root:x:0:0:root:/root:/bin/sh
	alice:x:1000:1000:alice:/home/alice:/bin/sh
	bob:x:1001:1001:bob:/home/bob:/bin/sh
	carol:x:1002:1002:carol:/home/carol:/bin/sh
	nobody:x:65534:65534:nobody:/:/bin/sh
END
sed 's/^\([^:]*\):x:[0-9]*:\([0-9]*\):.*/\1:x:\2:/' etc/passwd > etc/group
chown -R 1000:1000 home/alice
chown -R 1001:1001 home/bob
chown -R 1002:1002 home/carol

gcc -static -O2 -o usr/bin/debug-exit /mnt/src/tools/guest/debug-exit.c
cp /mnt/src/tools/guest/init init
find . | cpio --quiet -o -H newc
