// SPDX-License-Identifier: GPL-2.0
/* What the abstractions that rust_keyring uses need of C. */

#include "helpers.h"

#include "../rust/helpers/cred.c"
#include "../rust/helpers/ftrace.c"
