/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The scenarios, a table per subject, each ended by an entry without a name.
 */
#ifndef SCENARIOS_H
#define SCENARIOS_H

#include "transcript.h"

extern const struct scenario special_scenarios[];
extern const struct scenario session_scenarios[];
extern const struct scenario request_scenarios[];
extern const struct scenario state_scenarios[];
extern const struct scenario quota_scenarios[];
extern const struct scenario namespace_scenarios[];
extern const struct scenario unmapped_scenarios[];
extern const struct scenario thread_scenarios[];
extern const struct scenario lsm_scenarios[];
extern const struct scenario clock_scenarios[];
extern const struct scenario dead_scenarios[];
extern const struct scenario cve_scenarios[];
extern const struct scenario threat_scenarios[];

/* Where the module is meant not to answer as the kernel does, and not to let live what it does. */
extern const struct scenario deviations[];
extern const struct scenario life_scenarios[];
extern const struct scenario survivor_scenarios[];
extern const struct scenario cve_lives[];
extern const struct scenario threat_lives[];

/*
 * Asked by a process that needs its keyrings no more: @u, @us, and (in a
 * process of its own, for it installs what it finds) @s.
 */
void ask_user_keyrings(void);

/* Run @fn as @uid in a new user namespace with @map, or with none as yet. */
pid_t start_in_namespace(uid_t uid, const char *map, void (*fn)(void));
const char *map_to(uid_t inside, uid_t outside);

/* Have the namespace of a process at hand, and join it; what is open is joined_fd. */
extern int joined_fd;
void open_namespace(pid_t pid);
void join_namespace(void);

/* Which register @id is linked to, of those that the caller may read, or 0. */
int register_with(int id);

/* Have the clock as it was at the first call, whatever has been done to it. */
void restore_clock(void);

#endif
