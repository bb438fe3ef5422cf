// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions and macros of C headers, made callable from Rust. In one
 * object, sorted alphabetically, as rust/helpers/helpers.c of the kernel does.
 */

#include "helpers.h"

#include "counters.c"
#include "cred.c"
#include "ftrace.c"
#include "key.c"
#include "params.c"
#include "table.c"
#include "task.c"
#include "trace.c"
#include "user_namespace.c"
#include "workqueue.c"
