// SPDX-License-Identifier: GPL-2.0
/* What the abstractions that rust_task_counters uses need of C. */

#include "helpers.h"

#include "../rust/helpers/ftrace.c"
#include "../rust/helpers/table.c"
