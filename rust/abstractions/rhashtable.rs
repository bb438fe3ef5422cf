// SPDX-License-Identifier: GPL-2.0

//! Resizable, scalable, concurrent hash tables.
//!
//! C header: [`include/linux/rhashtable.h`](srctree/include/linux/rhashtable.h)

use core::{
    marker::{
        PhantomData,
        PhantomPinned, //
    },
    mem::offset_of,
    ptr::{
        self,
        NonNull, //
    },
};

use kernel::{
    container_of,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::atomic::{
        atomic_load,
        Relaxed, //
    },
    types::Opaque, //
};

use super::rcu;
use crate::bindings;

/// What values are found by.
///
/// The words should be addresses, identifiers that the kernel assigns, or hashes with a secret: the
/// hash function is cheap, and does not withstand somebody who may choose the keys.
pub(crate) type TableKey = [u64; 2];

/// A value in its place in a table.
#[repr(C)]
struct Node<V> {
    raw: bindings::rust_helper_node,
    rcu: bindings::callback_head,
    value: V,
}

impl<V> Node<V> {
    /// Turns a pointer to the head of a node into one to the node.
    fn from_head(head: *mut bindings::rhash_head) -> *mut Self {
        const { assert!(offset_of!(bindings::rust_helper_node, head) == 0) };
        const { assert!(offset_of!(Self, raw) == 0) };

        head.cast()
    }
}

/// A table of values of which each is found by a [`TableKey`] under the RCU read lock.
///
/// Look-ups take no lock and write to no shared memory. The table grows and shrinks with the number
/// of values, so that their cost does not depend on it.
///
/// Values that are removed are dropped by an RCU callback, so their `drop` must not sleep.
///
/// # Invariants
///
/// - `table` is an initialised `struct rhashtable`.
/// - Its elements are heads of `Node<V>`, each in an allocation by `KBox` that the table owns.
#[pin_data(PinnedDrop)]
pub(crate) struct RhashTable<V: Send + Sync + 'static> {
    #[pin]
    table: Opaque<bindings::rhashtable>,
    #[pin]
    _pin: PhantomPinned,
    _values: PhantomData<KBox<Node<V>>>,
}

// SAFETY: The table may be used and destroyed by any thread if the values may be.
unsafe impl<V: Send + Sync> Send for RhashTable<V> {}
// SAFETY: Changes are synchronised by the table's own locks, and look-ups by RCU.
unsafe impl<V: Send + Sync> Sync for RhashTable<V> {}

impl<V: Send + Sync> RhashTable<V> {
    /// Returns an initialiser for an empty table.
    ///
    /// It sleeps, and fails with `ENOMEM` if memory runs out.
    #[doc(alias = "rhashtable_init")]
    pub(crate) fn new() -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            table <- Opaque::try_ffi_init(|table| {
                // SAFETY: `table` is valid for writes, and pinned.
                to_result(unsafe { bindings::table_init(table) })
            }),
            _pin: PhantomPinned,
            _values: PhantomData,
        })
    }

    /// Returns the value of `key`.
    ///
    /// It may be removed from the table at any time, but it is not dropped as long as the RCU read
    /// lock is held. May be called from any context.
    #[doc(alias = "rhashtable_lookup")]
    #[inline]
    pub(crate) fn get<'a>(&'a self, key: &TableKey, _rcu: &'a rcu::Guard) -> Option<&'a V> {
        // SAFETY: By the type invariant the table is initialised. The guard is evidence that the
        // RCU read lock is held.
        let head = unsafe { bindings::table_lookup(self.table.get(), key.as_ptr()) };

        if head.is_null() {
            return None;
        }
        // SAFETY: By the type invariant it is the head of a node, which is not freed before a grace
        // period has passed.
        Some(unsafe { &(*Node::<V>::from_head(head)).value })
    }

    /// Stores the value of `key`. What was there is dropped after a grace period.
    ///
    /// A look-up at the same time finds the one or the other. Callers must not store the same key
    /// at the same time. May sleep. Returns `ENOMEM` if memory runs out: the new value is dropped
    /// then, and the old one stays. If that is removed at the same time, there may be neither, and
    /// `EBUSY` is returned.
    #[doc(alias = "rhashtable_lookup_get_insert_fast")]
    #[doc(alias = "rhashtable_replace_fast")]
    pub(crate) fn store(&self, key: TableKey, value: V) -> Result {
        let node = KBox::into_raw(KBox::new(
            Node {
                raw: bindings::rust_helper_node {
                    head: Default::default(),
                    key,
                },
                rcu: Default::default(),
                value,
            },
            GFP_KERNEL,
        )?);
        let rcu = rcu::read_lock();

        // SAFETY: By the type invariant the table is initialised. The RCU read lock is held, and
        // `node` is valid and in no table.
        let stored = unsafe {
            let head = &raw mut (*node).raw.head;

            // INVARIANT: If this succeeds, the table owns the node from now on.
            from_err_ptr(bindings::table_insert(self.table.get(), head)).and_then(|old| {
                if !old.is_null() {
                    to_result(bindings::table_replace(self.table.get(), old, head))?;
                }
                Ok(old)
            })
        };
        drop(rcu);

        match stored {
            Ok(old) => {
                if !old.is_null() {
                    // SAFETY: We are the one who took it out of the table.
                    unsafe { Self::drop_later(old) };
                }
                Ok(())
            }
            Err(e) => {
                // SAFETY: The table did not take the node over.
                drop(unsafe { KBox::from_raw(node) });
                // The others are that what was there is being removed, and that the table cannot
                // grow.
                Err(if e == ENOENT { EBUSY } else { ENOMEM })
            }
        }
    }

    /// Takes the node of `key` out of the table, if there is one.
    ///
    /// The caller owns it then, and must not free it before a grace period has passed.
    fn take(&self, key: &TableKey) -> Option<NonNull<Node<V>>> {
        let _rcu = rcu::read_lock();

        // SAFETY: By the type invariant the table is initialised, and the RCU read lock is held.
        let head = unsafe { bindings::table_lookup(self.table.get(), key.as_ptr()) };
        // SAFETY: As above. If `head` is not NULL, it is the head of a node that is not freed
        // before the RCU read lock is released. Of two that remove the same node one gets an error.
        if head.is_null() || unsafe { bindings::table_remove(self.table.get(), head) } != 0 {
            return None;
        }
        NonNull::new(Node::from_head(head))
    }

    /// Removes the values of all `keys`, waits for a grace period, and drops them.
    ///
    /// Whoever still has found one has, when this function returns, released the RCU read lock that
    /// it was found under. Sleeps.
    #[doc(alias = "synchronize_rcu")]
    pub(crate) fn remove_and_wait(&self, keys: impl Iterator<Item = TableKey>) {
        // Chained by what a callback would need.
        let mut taken: *mut bindings::callback_head = ptr::null_mut();

        for key in keys {
            if let Some(node) = self.take(&key) {
                // SAFETY: We own the node. Readers do not look at `rcu`.
                unsafe { (*node.as_ptr()).rcu.next = taken };
                // SAFETY: As above.
                taken = unsafe { &raw mut (*node.as_ptr()).rcu };
            }
        }
        rcu::synchronize_rcu();

        while !taken.is_null() {
            // SAFETY: It is the `rcu` of a node that we own.
            let next = unsafe { (*taken).next };

            // SAFETY: As above, and a grace period has passed.
            unsafe { Self::drop_after_grace_period(taken) };
            taken = next;
        }
    }

    /// Removes the value of `key`, and drops it after a grace period.
    ///
    /// Returns whether this call removed one. A value that is stored at the same time may stay.
    /// Does not sleep; may be called from any context but NMI.
    #[doc(alias = "rhashtable_remove_fast")]
    pub(crate) fn remove(&self, key: &TableKey) -> bool {
        let Some(node) = self.take(key) else {
            return false;
        };

        // SAFETY: We are the one who took it out of the table.
        unsafe { Self::drop_later(&raw mut (*node.as_ptr()).raw.head) };
        true
    }

    /// Removes all values for which `keep` returns `false`, and drops them after a grace period.
    ///
    /// Values that are stored at the same time may be passed over. `keep` must not sleep; this
    /// function may.
    #[doc(alias = "rhashtable_walk_enter")]
    pub(crate) fn retain(&self, mut keep: impl FnMut(&V) -> bool) {
        let mut iter = bindings::rhashtable_iter::default();
        let iter = &raw mut iter;

        // SAFETY: By the type invariant the table is initialised. `iter` stays where it is until it
        // is given up below.
        unsafe {
            bindings::rhashtable_walk_enter(self.table.get(), iter);
            bindings::table_walk_start(iter);
        }
        loop {
            // SAFETY: The walk has been started, by which the RCU read lock is held.
            let Ok(head) = from_err_ptr(unsafe { bindings::rhashtable_walk_next(iter) }) else {
                // The table is being resized: what comes next are its elements from the start.
                continue;
            };
            if head.is_null() {
                break;
            }

            let node = Node::<V>::from_head(head.cast());
            // SAFETY: By the type invariant it is the head of a node, which is not freed as long as
            // the RCU read lock is held. Of two that remove the same node one gets an error.
            unsafe {
                if !keep(&(*node).value)
                    && bindings::table_remove(self.table.get(), head.cast()) == 0
                {
                    Self::drop_later(head.cast());
                }
            }
        }
        // SAFETY: The walk has been started.
        unsafe {
            bindings::rhashtable_walk_stop(iter);
            bindings::rhashtable_walk_exit(iter);
        }
    }

    /// Drops a node after a grace period.
    ///
    /// # Safety
    ///
    /// The node must have been taken out of the table by the caller.
    unsafe fn drop_later(head: *mut bindings::rhash_head) {
        // SAFETY: By the safety requirements the node is valid, and nobody else drops it.
        unsafe {
            bindings::call_rcu(
                &raw mut (*Node::<V>::from_head(head)).rcu,
                Some(Self::drop_after_grace_period),
            )
        };
    }

    /// Returns the number of values.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: By the type invariant the table is initialised. `nelems` is an `atomic_t`.
        let len = unsafe { atomic_load(&raw mut (*self.table.get()).nelems.counter, Relaxed) };

        usize::try_from(len).unwrap_or(0)
    }

    /// Returns the number of buckets.
    pub(crate) fn buckets(&self) -> usize {
        // SAFETY: By the type invariant the table is initialised.
        unsafe { bindings::table_buckets(self.table.get()) as usize }
    }

    /// # Safety
    ///
    /// `rcu` must be that of a node that nobody uses any more.
    unsafe extern "C" fn drop_after_grace_period(rcu: *mut bindings::callback_head) {
        // SAFETY: `rcu` is a field of a `Node<V>`.
        let node = unsafe { container_of!(rcu, Node<V>, rcu) };

        // SAFETY: The node was allocated by `KBox`, and the safety requirements guarantee that we
        // own it.
        drop(unsafe { KBox::from_raw(node) });
    }

    /// # Safety
    ///
    /// `head` must be that of a node that nobody uses any more.
    unsafe extern "C" fn drop_node(head: *mut kernel::ffi::c_void, _arg: *mut kernel::ffi::c_void) {
        let node = Node::<V>::from_head(head.cast());

        // SAFETY: The node was allocated by `KBox`, and the safety requirements guarantee that we
        // own it.
        drop(unsafe { KBox::from_raw(node) });
    }
}

#[pinned_drop]
impl<V: Send + Sync> PinnedDrop for RhashTable<V> {
    /// Drops all values, those included that were removed before.
    ///
    /// Sleeps until all RCU callbacks that were queued before have been called.
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant the table is initialised and owns its nodes. References to
        // values borrow the table, so there are none.
        unsafe {
            bindings::rhashtable_free_and_destroy(
                self.table.get(),
                Some(Self::drop_node),
                ptr::null_mut(),
            )
        };

        // The callbacks of values that were removed have to be over before the code of `V` may go.
        rcu::rcu_barrier();
    }
}
