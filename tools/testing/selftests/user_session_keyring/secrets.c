// SPDX-License-Identifier: GPL-2.0
/*
 * Puts secrets into @us and @u, and stays until it is killed, for memory.sh.
 * For each secret a line "A^B" says what it is, in hexadecimal, without saying
 * it. This process leaves no copy of its own in memory.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "keys.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define SIZE	64
#define LARGE	(144 * SIZE)	/* more than any cache of kmalloc() has */

static const struct {
	const char *type, *name;
	size_t size;
	int ring;
} keys[] = {
	{ "user", "small", SIZE, USER_SESSION },
	{ "user", "large", LARGE, USER },
	{ "logon", "memory:logon", SIZE, USER_SESSION },
};

static unsigned char halves[2][SIZE], payload[LARGE], copy[LARGE];

static void fail(const char *what, long error)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-error));
	exit(1);
}

/*
 * After every byte, or else registers hold pieces of a secret, and are saved
 * somewhere.
 */
static inline void barrier(void)
{
	asm volatile("" : : : "memory");
}

static void write_payload(size_t size)
{
	for (size_t i = 0; i < size; i++) {
		payload[i] = halves[0][i % SIZE] ^ halves[1][i % SIZE];
		barrier();
	}
}

static bool is_payload(const unsigned char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if ((text[i] ^ halves[0][i % SIZE]) != halves[1][i % SIZE])
			return false;
		barrier();
	}
	return true;
}

/* Reading makes copies too. */
static void read_back(long key, size_t size)
{
	long ret = keyctl(KEYCTL_READ, key, (long)copy, sizeof(copy), 0);

	if (ret != (long)size || !is_payload(copy, size))
		fail("KEYCTL_READ", ret < 0 ? ret : -EIO);
	explicit_bzero(copy, sizeof(copy));
}

static void print_half(const unsigned char *half, char end)
{
	for (size_t i = 0; i < SIZE; i++)
		printf("%02x", half[i]);
	putchar(end);
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		long key;

		if (getrandom(halves, sizeof(halves), 0) != sizeof(halves))
			fail("getrandom", -errno);
		write_payload(keys[i].size);
		key = add_key(keys[i].type, keys[i].name, payload, keys[i].size,
			      keys[i].ring);
		explicit_bzero(payload, sizeof(payload));
		if (key < 0)
			fail(keys[i].name, key);
		/* Nobody may read one of logon. */
		if (!strcmp(keys[i].type, "user"))
			read_back(key, keys[i].size);
		print_half(halves[0], '^');
		print_half(halves[1], '\n');
	}
	fflush(stdout);
	pause();
	return 0;
}
