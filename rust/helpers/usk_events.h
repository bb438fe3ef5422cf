/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What becomes of the keyrings of a UID in a user namespace, one event each.
 * Look-ups that the lock-free path answers have none.
 */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM user_session_keyring

#if !defined(USK_EVENTS_H) || defined(TRACE_HEADER_MULTI_READ)
#define USK_EVENTS_H

#include <linux/key.h>
#include <linux/tracepoint.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/user_namespace.h>

DECLARE_EVENT_CLASS(keyrings,
		    TP_PROTO(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session),
		    TP_ARGS(uid, ns, user, session),
		    TP_STRUCT__entry(__field(u64, ns)
				     __field(uid_t, uid)
				     __field(key_serial_t, user)
				     __field(key_serial_t, session)),
		    TP_fast_assign(__entry->ns = ns;
				   __entry->uid = from_kuid(&init_user_ns, uid);
				   __entry->user = user;
				   __entry->session = session;),
		    TP_printk("uid=%u ns=%llu user=%d session=%d", __entry->uid, __entry->ns,
			      __entry->user, __entry->session)
);

/* There were none, or only one of the two. */
DEFINE_EVENT(keyrings, create,
	     TP_PROTO(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session),
	     TP_ARGS(uid, ns, user, session)
);

/* They were there, and are on record now. */
DEFINE_EVENT(keyrings, adopt,
	     TP_PROTO(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session),
	     TP_ARGS(uid, ns, user, session)
);

/* They were about to be destroyed, and the UID has come back. */
DEFINE_EVENT(keyrings, revive,
	     TP_PROTO(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session),
	     TP_ARGS(uid, ns, user, session)
);

/* What had lived on without their UID is where the kernel's own code looks. */
DEFINE_EVENT(keyrings, hand_back,
	     TP_PROTO(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session),
	     TP_ARGS(uid, ns, user, session)
);

/*
 * A class of the name of its only event, "destroy", would define functions by names that the kernel
 * has already. The causes are those of `Cause` in tracepoints.rs.
 */
DECLARE_EVENT_CLASS(keyrings_destroyed,
		    TP_PROTO(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session,
			     unsigned int cause),
		    TP_ARGS(uid, ns, user, session, cause),
		    TP_STRUCT__entry(__field(u64, ns)
				     __field(uid_t, uid)
				     __field(key_serial_t, user)
				     __field(key_serial_t, session)
				     __field(unsigned int, cause)),
		    TP_fast_assign(__entry->ns = ns;
				   __entry->uid = from_kuid(&init_user_ns, uid);
				   __entry->user = user;
				   __entry->session = session;
				   __entry->cause = cause;),
		    TP_printk("uid=%u ns=%llu user=%d session=%d cause=%s",
			      __entry->uid, __entry->ns, __entry->user, __entry->session,
			      __print_symbolic(__entry->cause,
					       { 0, "death" },
					       { 1, "reap" },
					       { 2, "namespace" }))
);

/* They are not the UID's any more. */
DEFINE_EVENT(keyrings_destroyed, destroy,
	     TP_PROTO(kuid_t uid, u64 ns, key_serial_t user, key_serial_t session,
		      unsigned int cause),
	     TP_ARGS(uid, ns, user, session, cause)
);

#endif /* USK_EVENTS_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE usk_events

#include <trace/define_trace.h>
