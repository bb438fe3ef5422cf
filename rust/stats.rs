// SPDX-License-Identifier: GPL-2.0

//! What happened so far, for people to read and for tests to tell who answered.

#![forbid(unsafe_code)]

use kernel::{
    debugfs,
    fmt,
    sync::Arc, //
};

use crate::{
    abstractions::counters::Event as _,
    record::Records, //
};

/// Something that the resolver did.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Event {
    /// A look-up was answered by the lock-free path.
    Hit,
    /// A look-up took the slow path.
    Miss,
    /// A pair of keyrings was created, at least one of the two.
    Creation,
    /// A pair of keyrings that existed already was put on record.
    Adoption,
    /// A look-up was answered with an errno.
    Error,
    /// A look-up under RCU was answered from a record.
    RcuHit,
    /// A look-up under RCU was answered by a search of the register.
    RcuMiss,
    /// The keyrings of a UID went because nothing pinned its record any more.
    Death,
    /// A key was linked in keyrings that went.
    KeyGone,
    /// A UID came back when its keyrings were about to go.
    Revival,
    /// The last pin of the record of a UID went without notice, and that was found later.
    Missed,
    /// The keyrings of a UID went because root asked for it.
    Reaped,
}

impl From<Event> for u32 {
    #[inline]
    fn from(event: Event) -> u32 {
        event as u32
    }
}

impl crate::abstractions::counters::Event for Event {}

const NAMES: [(&str, Event); 12] = [
    ("hits", Event::Hit),
    ("misses", Event::Miss),
    ("creations", Event::Creation),
    ("adoptions", Event::Adoption),
    ("errors", Event::Error),
    ("rcu_hits", Event::RcuHit),
    ("rcu_misses", Event::RcuMiss),
    ("deaths", Event::Death),
    ("keys_gone", Event::KeyGone),
    ("revivals", Event::Revival),
    ("missed", Event::Missed),
    ("reaped", Event::Reaped),
];

/// The contents of `stats` in debugfs: a name and a number in each line.
pub(crate) struct Stats(pub(crate) Arc<Records>);

impl debugfs::Writer for Stats {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, event) in NAMES {
            writeln!(f, "{name} {}", event.total())?;
        }
        writeln!(f, "survivors {}", self.0.survivors())?;
        writeln!(f, "records {}", self.0.pairs())?;
        writeln!(f, "in_charge {}", u32::from(self.0.is_in_charge()))?;
        writeln!(f, "age {}", self.0.state().now().as_millis() / 1000)
    }
}
