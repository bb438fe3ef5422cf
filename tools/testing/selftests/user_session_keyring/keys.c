// SPDX-License-Identifier: GPL-2.0
/*
 * The key calls that take more than a line, or pointers; and how long they take.
 */
#include <string.h>
#include <time.h>

#include "keys.h"

long add_user_key(const char *desc, int ring)
{
	return add_key("user", desc, desc, strlen(desc), ring);
}

long add_keyring(const char *desc, int ring)
{
	return add_key("keyring", desc, NULL, 0, ring);
}

long search(int ring, const char *desc, int dest)
{
	return keyctl(KEYCTL_SEARCH, ring, (long)"user", (long)desc, dest);
}

long read_key(int id, char *buf, size_t size)
{
	long ret = keyctl(KEYCTL_READ, id, (long)buf, size - 1, 0);

	buf[ret < 0 ? 0 : (size_t)ret < size ? (size_t)ret : size - 1] = '\0';
	return ret;
}

long describe(int id, char *buf, size_t size)
{
	long ret = keyctl(KEYCTL_DESCRIBE, id, (long)buf, size, 0);

	if (ret < 0)
		buf[0] = '\0';
	return ret;
}

long set_perm(int id, unsigned int perm)
{
	return keyctl(KEYCTL_SETPERM, id, perm, 0, 0);
}

long join_session(const char *name)
{
	return keyctl(KEYCTL_JOIN_SESSION_KEYRING, (long)name, 0, 0, 0);
}

long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
