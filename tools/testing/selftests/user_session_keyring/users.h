/* SPDX-License-Identifier: GPL-2.0 */
/* What becomes another user, or dies of it, with status 125. */
#ifndef USERS_H
#define USERS_H

#include <sys/types.h>

void die(const char *what);
void become(uid_t uid);
void map_to_root(uid_t uid);

#endif
