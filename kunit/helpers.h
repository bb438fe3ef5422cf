/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tests alone need of C: fixture.rs declares the same.
 */

#ifndef USK_KUNIT_HELPERS_H
#define USK_KUNIT_HELPERS_H

#include <linux/types.h>

enum usk_kunit_event {
	USK_KUNIT_CREATE,
	USK_KUNIT_ADOPT,
	USK_KUNIT_DESTROY,
	USK_KUNIT_REVIVE,
	USK_KUNIT_HAND_BACK,
	USK_KUNIT_EVENTS,
};

/*
 * How often each tracepoint was reached, and what the last one was told; "users" is all serial
 * numbers of user keyrings, by exclusive or.
 */
struct usk_kunit_told {
	u64 count[USK_KUNIT_EVENTS];
	u64 ns;
	u32 uid;
	s32 user;
	s32 session;
	u32 cause;
	s32 users;
};

int usk_kunit_follow(void);
void usk_kunit_unfollow(struct usk_kunit_told *result);
ssize_t usk_kunit_key_users(char *buffer, size_t size);
int usk_kunit_set_linger(const char *value);
unsigned long usk_kunit_user_memory(size_t size);

#endif /* USK_KUNIT_HELPERS_H */
