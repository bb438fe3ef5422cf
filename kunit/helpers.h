/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests alone need of C: fixture.rs declares the same.
 */

#ifndef USK_KUNIT_HELPERS_H
#define USK_KUNIT_HELPERS_H

#include <linux/types.h>

ssize_t usk_kunit_key_users(char *buffer, size_t size);
int usk_kunit_set_linger(const char *value);
unsigned long usk_kunit_user_memory(size_t size);

#endif /* USK_KUNIT_HELPERS_H */
