// SPDX-License-Identifier: GPL-2.0

//! A secret for the caller's UID, in the user session keyring.
//!
//! Purpose: a module that keeps something for a UID need not keep it itself. What is written to
//! `/dev/rust_keyring` is stored in the user session keyring (`@us`) of whoever writes, and whoever
//! reads gets what is in his own. The kernel charges the UID for it, and lets it go with the
//! keyring: with `user_session_keyring` when nothing pins the UID any more, without it when the
//! user namespace ends.
//!
//! Usage: `make samples KDIR=...`, then as root in a system that runs this kernel, 7.3 or later
//! (before that a device in Rust does not keep its module from being removed while it is open):
//!
//! 1. Load the module, and let everybody use the device.
//!
//!    ```text
//!    # insmod samples/rust_keyring.ko
//!    # chmod 666 /dev/rust_keyring
//!    ```
//!
//! 2. As an ordinary user, store a secret, and get it back, in another process if you like.
//!
//!    ```text
//!    $ echo hunter2 > /dev/rust_keyring
//!    $ cat /dev/rust_keyring
//!    hunter2
//!    ```
//!
//!    It is a key of that UID, so `keyctl` finds it as well. Others are told that they have none:
//!
//!    ```text
//!    $ keyctl search @us user rust_keyring
//!    160347030
//!    # cat /dev/rust_keyring
//!    cat: read error: Required key not available
//!    ```
//!
//! 3. End all processes of that user, and come back after a second or two. If
//!    `user_session_keyring` is loaded the secret is gone.
//!
//! 4. Remove the module. Secrets stay where they are, until their UID ends them.
//!
//!    ```text
//!    # rmmod rust_keyring
//!    $ keyctl unlink %user:rust_keyring @us
//!    ```

use kernel::{
    fs::{
        File,
        Kiocb, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    miscdevice::{
        MiscDevice,
        MiscDeviceOptions,
        MiscDeviceRegistration, //
    },
    prelude::*,
};

use crate::abstractions::{
    key::Need,
    keyring::Keyring,
    user_key::{
        Payload,
        UserKey, //
    },
};

#[path = "../rust/abstractions/mod.rs"]
mod abstractions;
#[path = "../rust/bindings/mod.rs"]
mod bindings;

module! {
    type: RustKeyring,
    name: "rust_keyring",
    authors: ["The user_session_keyring developers"],
    description: "A secret for the caller's UID, in the user session keyring",
    license: "GPL",
}

/// What the key is called in each of the keyrings.
const DESCRIPTION: &CStr = c"rust_keyring";

struct Device;

#[vtable]
impl MiscDevice for Device {
    type Ptr = ();

    fn open(_file: &File, _misc: &MiscDeviceRegistration<Self>) -> Result {
        Ok(())
    }

    fn read_iter(mut kiocb: Kiocb<'_, ()>, iov: &mut IovIterDest<'_>) -> Result<usize> {
        let keyring = Keyring::user_session(Need::Search)?;
        let secret = UserKey::find(&keyring, DESCRIPTION, Need::Read)?.read()?;

        iov.simple_read_from_buffer(kiocb.ki_pos_mut(), &secret)
    }

    fn write_iter(_kiocb: Kiocb<'_, ()>, iov: &mut IovIterSource<'_>) -> Result<usize> {
        if iov.len() > UserKey::MAX_PAYLOAD {
            return Err(EFBIG);
        }

        let mut secret = Payload::zeroed(iov.len())?;

        if iov.copy_from_iter(&mut secret) < secret.len() {
            return Err(EFAULT);
        }

        let keyring = Keyring::user_session(Need::Write)?;

        UserKey::store(&keyring, DESCRIPTION, &secret)?;
        Ok(secret.len())
    }
}

#[pin_data]
struct RustKeyring {
    #[pin]
    _device: MiscDeviceRegistration<Device>,
}

impl kernel::InPlaceModule for RustKeyring {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _device <- MiscDeviceRegistration::register(MiscDeviceOptions {
                name: c"rust_keyring",
            }),
        })
    }
}
