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

/* Where the module is meant not to answer as the kernel does. */
extern const struct scenario deviations[];

/*
 * Asked by a process that needs its keyrings no more: @u, @us, and (in a
 * process of its own, for it installs what it finds) @s.
 */
void ask_user_keyrings(void);

/* Which register @id is linked to, of those that the caller may read, or 0. */
int register_with(int id);

/* Have the clock as it was at the first call, whatever has been done to it. */
void restore_clock(void);

#endif
