// SPDX-License-Identifier: GPL-2.0

//! The user session keyring, hung off the UID record.
//!
//! A livepatch that answers look-ups of the user session keyring and the user keyring from a record
//! beside the kernel's `struct user_struct`.
//!
//! C source: [`security/keys/process_keys.c`](srctree/security/keys/process_keys.c)
//!
//! Reference: `user-session-keyring(7)`

#![crate_name = "user_session_keyring"]

use kernel::{
    debugfs,
    prelude::*, //
};

use crate::{
    abstractions::{
        livepatch::{
            self,
            Patch as _, //
        },
        user_namespace::Watch, //
    },
    inventory::{
        Inventory,
        Reaper, //
    },
    record::Records,
    resolver::Resolver,
    stats::Stats,
};

mod abstractions;
mod bindings;
mod inventory;
mod name;
mod owner;
mod patch;
mod record;
mod resolver;
mod stats;
mod survivor;

module! {
    type: UserSessionKeyring,
    name: "user_session_keyring",
    authors: ["The user_session_keyring developers"],
    description: "Hangs the user session keyring off the UID record",
    license: "GPL",
}

livepatch::livepatch_modinfo!();

/// What the module has registered.
///
/// Fields are dropped in this order. When the module is removed, the patch has been disabled
/// before, and no task executes its functions any more. The records are dropped with the last of
/// those that refer to them.
#[pin_data(PinnedDrop)]
struct UserSessionKeyring {
    _patch: Pin<KBox<livepatch::Registration<Resolver>>>,
    #[pin]
    _records: debugfs::File<Inventory>,
    #[pin]
    _reap: debugfs::File<Reaper>,
    #[pin]
    _stats: debugfs::File<Stats>,
    _dir: debugfs::Dir,
}

impl kernel::InPlaceModule for UserSessionKeyring {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(move || {
            // SAFETY: The kernel does not let function tracing be switched off as long as a
            // livepatch is enabled. This one is enabled once, after the probes are registered. That
            // disabling it may be reversed midway changes nothing: its functions stay patched.
            let watch = unsafe { Watch::new(Resolver::is_enabled) };
            let records = Records::new(Resolver::in_charge, Resolver::is_on_top, watch)?;
            let dir = debugfs::Dir::new(c"user_session_keyring");

            Ok(try_pin_init!(Self {
                _stats <- dir.read_only_file(c"stats", Stats(records.clone())),
                _records <- dir.read_only_file(c"records", Inventory(records.clone())),
                _reap <- dir.write_only_file(c"reap", Reaper(records.clone())),
                _dir: dir,
                // The last step: look-ups arrive from now on.
                _patch: enable(module, Resolver::new(records))?,
            }))
        })
    }
}

fn enable(
    module: &'static ThisModule,
    resolver: Resolver,
) -> Result<Pin<KBox<livepatch::Registration<Resolver>>>> {
    // SAFETY: This is the last step of `init` that can fail, and what is returned is dropped with
    // the module.
    let patch = unsafe { livepatch::Registration::new(module, resolver) };

    KBox::pin_init(patch, GFP_KERNEL).inspect_err(|&e| {
        if e == EBUSY {
            pr_err!("a livepatch is in transition or a function is taken: try again later\n");
        } else {
            pr_err!("the kernel does not take this livepatch: {e:?}\n");
        }
    })
}

#[pinned_drop]
impl PinnedDrop for UserSessionKeyring {
    fn drop(self: Pin<&mut Self>) {
        pr_info!("unloaded\n");
    }
}
