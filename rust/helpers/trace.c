// SPDX-License-Identifier: GPL-2.0

#include <linux/key.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

#define CREATE_TRACE_POINTS
#include "usk_events.h"
/* Not those of the headers that follow. */
#undef CREATE_TRACE_POINTS

void rust_helper_trace_create(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session)
{
	trace_create(uid, ns, user, session);
}

void rust_helper_trace_adopt(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session)
{
	trace_adopt(uid, ns, user, session);
}

void rust_helper_trace_revive(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session)
{
	trace_revive(uid, ns, user, session);
}

void rust_helper_trace_hand_back(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session)
{
	trace_hand_back(uid, ns, user, session);
}

void rust_helper_trace_destroy(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session,
			       unsigned int cause)
{
	trace_destroy(uid, ns, user, session, cause);
}
