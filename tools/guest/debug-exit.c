// SPDX-License-Identifier: GPL-2.0
/*
 * End QEMU with a value, by its isa-debug-exit. Not every kernel has /dev/port.
 *
 * Usage: debug-exit VALUE
 */

#include <stdlib.h>
#include <sys/io.h>

#define PORT	0xf4

int main(int argc, char **argv)
{
	if (argc != 2 || ioperm(PORT, 4, 1))
		return 1;
	outl(strtoul(argv[1], NULL, 10), PORT);
	return 0;
}
