// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of the user session keyring.
//!
//! A module of its own, because a livepatch cannot be loaded just to be tested: this one contains
//! the same sources and never enables the patch.
//!
//! Only `assert!` and `assert_eq!` in a test function itself, below the first of them, are KUnit's.
//! Helpers return what there is to be asserted.

#![crate_name = "user_session_keyring_kunit"]

use kernel::prelude::*;

use crate::abstractions::fprobe;

#[path = "../rust/abstractions/mod.rs"]
mod abstractions;
#[path = "../rust/bindings/mod.rs"]
mod bindings;
#[path = "../rust/inventory.rs"]
mod inventory;
#[path = "../rust/name.rs"]
mod name;
#[path = "../rust/owner.rs"]
mod owner;
#[path = "../rust/record.rs"]
mod record;
#[path = "../rust/resolver.rs"]
mod resolver;
#[path = "../rust/stats.rs"]
mod stats;
#[path = "../rust/survivor.rs"]
mod survivor;

mod fixture;

mod counters_kunit;
mod cred_kunit;
mod fprobe_kunit;
mod ftrace_kunit;
mod inventory_kunit;
mod key_kunit;
mod keyring_kunit;
mod livepatch_kunit;
mod name_kunit;
mod owner_kunit;
mod record_kunit;
mod resolver_kunit;
mod rhashtable_kunit;
mod siphash_kunit;
mod stats_kunit;
mod survivor_kunit;
mod tracepoints_kunit;
mod user_key_kunit;
mod user_kunit;
mod user_namespace_kunit;
mod workqueue_kunit;

module! {
    type: UserSessionKeyringKunit,
    name: "user_session_keyring_kunit",
    authors: ["The user_session_keyring developers"],
    description: "KUnit suites of the user session keyring",
    license: "GPL",
}

struct UserSessionKeyringKunit {
    _rescue: Pin<KBox<fprobe::Registration<fixture::Rescue>>>,
}

impl kernel::Module for UserSessionKeyringKunit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _rescue: KBox::pin_init(fprobe::Registration::new(fixture::Rescue), GFP_KERNEL)?,
        })
    }
}
