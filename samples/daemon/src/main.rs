// SPDX-License-Identifier: GPL-2.0

//! A daemon that has the kernel keep a secret for its UID.
//!
//! Purpose: shows the user session keyring (`@us`) as the anchor of a service that has a UID of
//! its own, but no PAM session. A secret that is linked there is found by every process of the UID,
//! and outlives the daemon, but not the UID: with `user_session_keyring` it is gone when nothing
//! pins the UID any more. Without it, the kernel keeps it until it expires.
//!
//! - The key is made in the keyring of this process, which nobody else searches, and linked to
//!   `@us` when its timeout and permissions are set. So others see all of it or nothing, and a
//!   daemon that is started anew replaces what the former one kept.
//! - A process without a session keyring, as this one may be, has `@us` in its place. One that has
//!   a session keyring, as PAM and systemd make them, does not possess what is in `@us`. The key
//!   therefore lets its owner find and read it, possessed or not.
//!
//! Usage: `make samples KDIR=...`; the program is `samples/daemon/target/release/anchor`. Then as
//! a user who is not root:
//!
//! 1. Start it with a secret on its standard input, a name, and after how many seconds it expires.
//!
//!    ```text
//!    $ echo hunter2 | anchor keep token 3600 &
//!    anchor: token is kept for 3600 seconds
//!    ```
//!
//! 2. In another process of that UID, get it back. Others are told that there is none.
//!
//!    ```text
//!    $ anchor get token
//!    hunter2
//!    # anchor get token
//!    anchor: token: nothing is kept under this name
//!    ```
//!
//! 3. End the daemon. The secret is still there, until the last process of that UID exits.
//!
//!    ```text
//!    $ kill $!
//!    $ anchor get token
//!    hunter2
//!    ```
//!
//! 4. Log out, and come back after a second or two, with `user_session_keyring` loaded.
//!
//!    ```text
//!    $ anchor get token
//!    anchor: token: nothing is kept under this name
//!    ```

use std::{
    env,
    io::{
        self,
        Read as _,
        Write as _, //
    },
    process::ExitCode,
    thread,
};

use linux_keyutils::{
    KeyError,
    KeyPermissionsBuilder,
    KeyRing,
    KeyRingIdentifier,
    Permission, //
};

const USAGE: &str = "usage: anchor keep NAME SECONDS < SECRET
       anchor get NAME";

/// What a key is called, so that no other service's is taken for it.
fn description(name: &str) -> String {
    format!("anchor:{name}")
}

fn user_session() -> Result<KeyRing, KeyError> {
    KeyRing::from_special_id(KeyRingIdentifier::UserSession, true)
}

/// Has the kernel keep `secret` for `seconds`.
fn store(name: &str, seconds: usize, secret: &[u8]) -> Result<(), KeyError> {
    let process = KeyRing::from_special_id(KeyRingIdentifier::Process, true)?;
    let key = process.add_key(&description(name), secret)?;

    key.set_perms(
        KeyPermissionsBuilder::builder()
            .posessor(Permission::ALL)
            .user(Permission::VIEW | Permission::READ | Permission::SEARCH)
            .build(),
    )?;
    key.set_timeout(seconds)?;
    user_session()?.link_key(key)
}

/// Returns what is kept under a name for the UID of this process.
fn fetch(name: &str) -> Result<Vec<u8>, KeyError> {
    user_session()?.search(&description(name))?.read_to_vec()
}

fn explain(name: &str, error: KeyError) -> String {
    match error {
        KeyError::KeyDoesNotExist => format!("{name}: nothing is kept under this name"),
        KeyError::KeyExpired => format!("{name}: it has expired"),
        KeyError::QuotaExceeded => format!("{name}: the UID's quota of keys is used up"),
        error => format!("{name}: {error}"),
    }
}

fn keep(name: &str, seconds: &str) -> Result<(), String> {
    let seconds = match seconds.parse() {
        Ok(seconds) if seconds > 0 => seconds,
        _ => return Err(format!("{seconds}: not a number of seconds")),
    };
    let mut secret = Vec::new();

    io::stdin()
        .read_to_end(&mut secret)
        .map_err(|e| e.to_string())?;
    if secret.is_empty() {
        return Err("there is no secret on the standard input".into());
    }
    store(name, seconds, &secret).map_err(|e| explain(name, e))?;
    secret.fill(0);

    println!("anchor: {name} is kept for {seconds} seconds");
    // What else the daemon is for would be here.
    loop {
        thread::park();
    }
}

fn get(name: &str) -> Result<(), String> {
    let secret = fetch(name).map_err(|e| explain(name, e))?;

    io::stdout().write_all(&secret).map_err(|e| e.to_string())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();

    let result = match arguments[..] {
        ["keep", name, seconds] => keep(name, seconds),
        ["get", name] => get(name),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };

    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("anchor: {message}");
            ExitCode::FAILURE
        }
    }
}
