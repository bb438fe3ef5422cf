// SPDX-License-Identifier: GPL-2.0
/*
 * The register of a user namespace, looked for from outside: who owns it may read it, and asking
 * for a pair, which might change what is linked there, is not needed.
 */
#include <stdio.h>
#include <string.h>

#include "scenarios.h"

static bool lists(int ring, int id)
{
	static int keys[4096];
	long ret = keyctl(KEYCTL_READ, ring, (long)keys, sizeof(keys), 0);

	if (ret > (long)sizeof(keys)) {
		errno = E2BIG;
		die("the register");
	}
	for (long i = 0; i < ret / (long)sizeof(id); i++)
		if (keys[i] == id)
			return true;
	return false;
}

int register_with(int id)
{
	FILE *file = fopen("/proc/keys", "re");
	int found = 0;
	unsigned int serial;
	char line[512];

	if (!file)
		die("/proc/keys");
	while (!found && fgets(line, sizeof(line), file))
		if (strstr(line, " .user_reg: ") && sscanf(line, "%x ", &serial) == 1 &&
		    lists(serial, id))
			found = serial;
	fclose(file);
	return found;
}
