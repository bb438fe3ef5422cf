// SPDX-License-Identifier: GPL-2.0

#include <linux/key-type.h>
#include <linux/key.h>
#include <linux/rwsem.h>

__rust_helper long
rust_helper_keyring_read(struct key *keyring, key_serial_t *serials, size_t size)
{
	long ret;

	down_read(&keyring->sem);
	ret = key_type_keyring.read(keyring, (char *)serials, size);
	up_read(&keyring->sem);
	return ret;
}
