// SPDX-License-Identifier: GPL-2.0
/*
 * Stands in for /sbin/request-key: constructs the key as its callout
 * information says, and puts into the payload what the kernel told it of the
 * requester, so that the requester can compare it with what it knows itself.
 *
 *	make		construct the key
 *	search NAME	the same, and say which key NAME the requester's own
 *			keyrings lead to
 *	wait FILE	construct the key once FILE is there
 *	negate		construct a negative key
 *	reject		the same, with EKEYREJECTED for an answer
 *	ignore		exit without a word
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "keys.h"

#define NEGATIVE_TIMEOUT	3600

static void wait_for(const char *file)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

	for (int i = 0; i < 3000 && access(file, F_OK); i++)
		nanosleep(&pause, NULL);
}

/* argv: create KEY UID GID @t @p @s, numbers all but the first. */
int main(int argc, char **argv)
{
	char callout[256], payload[256];
	long key, found = 0;

	if (argc != 8)
		return 1;
	key = atol(argv[2]);
	if (keyctl(KEYCTL_ASSUME_AUTHORITY, key, 0, 0, 0) < 0 ||
	    read_key(KEY_SPEC_REQKEY_AUTH_KEY, callout, sizeof(callout)) < 0)
		return 1;

	if (!strcmp(callout, "ignore"))
		return 0;
	if (!strcmp(callout, "negate"))
		return keyctl(KEYCTL_NEGATE, key, NEGATIVE_TIMEOUT, 0, 0) < 0;
	if (!strcmp(callout, "reject"))
		return keyctl(KEYCTL_REJECT, key, NEGATIVE_TIMEOUT,
			      EKEYREJECTED, 0) < 0;
	if (!strncmp(callout, "wait ", 5))
		wait_for(callout + 5);
	if (!strncmp(callout, "search ", 7))
		found = request_key("user", callout + 7, NULL, 0);

	/* /proc/keys shows the length: let it not depend on the serials. */
	snprintf(payload, sizeof(payload),
		 "uid %s, gid %s, @t %010ld, @p %010ld, @s %010ld, found %ld",
		 argv[3], argv[4], atol(argv[5]), atol(argv[6]), atol(argv[7]),
		 found);
	return keyctl(KEYCTL_INSTANTIATE, key, (long)payload, strlen(payload),
		      0) < 0;
}
