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
    ptr, //
};

use kernel::{
    error::to_result,
    prelude::*,
    sync::{
        atomic::{
            atomic_load,
            Relaxed, //
        },
        rcu, //
    },
    types::Opaque, //
};

use crate::bindings;

/// What values are found by.
///
/// The words should be addresses or identifiers that the kernel assigns: the hash function is
/// cheap, and does not withstand somebody who may choose the keys.
pub(crate) type TableKey = [u64; 2];

/// A value in its place in a table.
#[repr(C)]
struct Node<V> {
    raw: bindings::rust_helper_node,
    rcu: bindings::callback_head,
    value: V,
}

impl<V> Node<V> {
    fn head(&mut self) -> *mut bindings::rhash_head {
        &raw mut self.raw.head
    }

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
/// # Invariants
///
/// - `table` is an initialised `struct rhashtable`.
/// - The elements of it are heads of `Node<V>`, each in an allocation by `KBox` that the table owns.
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
            // SAFETY: `table` is valid for writes, and pinned.
            table <- Opaque::try_ffi_init(|table| to_result(unsafe { bindings::table_init(table) })),
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

    /// Adds a value.
    ///
    /// Allocates with `GFP_KERNEL`, so it may sleep. Returns `EEXIST` if there is a value of `key`,
    /// and `ENOMEM` if memory runs out. The value is dropped then.
    #[doc(alias = "rhashtable_lookup_insert_fast")]
    pub(crate) fn insert(&self, key: TableKey, value: V) -> Result {
        let mut node = KBox::new(
            Node {
                raw: bindings::rust_helper_node {
                    head: Default::default(),
                    key,
                },
                rcu: Default::default(),
                value,
            },
            GFP_KERNEL,
        )?;

        // SAFETY: By the type invariant the table is initialised, and `node` is in no table.
        to_result(unsafe { bindings::table_insert(self.table.get(), node.head()) })?;

        // INVARIANT: The table owns the allocation from now on.
        let _ = KBox::into_raw(node);
        Ok(())
    }

    /// Removes the value of `key`, and drops it after a grace period.
    ///
    /// Returns whether there was one. Does not sleep; may be called from any context in which the
    /// table's other users may be interrupted, that is from any but NMI.
    #[doc(alias = "rhashtable_remove_fast")]
    pub(crate) fn remove(&self, key: &TableKey) -> bool {
        let _rcu = rcu::read_lock();

        // SAFETY: By the type invariant the table is initialised, and the RCU read lock is held.
        let head = unsafe { bindings::table_lookup(self.table.get(), key.as_ptr()) };
        // SAFETY: As above. If `head` is not NULL, it is the head of a node that is not freed
        // before the RCU read lock is released. Of two that remove the same node one gets an error.
        if head.is_null() || unsafe { bindings::table_remove(self.table.get(), head) } != 0 {
            return false;
        }

        // SAFETY: The node is no longer in the table, and we are the one who removed it. It is
        // dropped by the callback only.
        unsafe {
            bindings::call_rcu(
                &raw mut (*Node::<V>::from_head(head)).rcu,
                Some(Self::drop_after_grace_period),
            )
        };
        true
    }

    /// Returns the number of values.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: By the type invariant the table is initialised. `nelems` is an `atomic_t`.
        let len = unsafe { atomic_load(&raw mut (*self.table.get()).nelems.counter, Relaxed) };

        usize::try_from(len).unwrap_or(0)
    }

    /// # Safety
    ///
    /// `rcu` must be that of a node that nobody uses any more.
    unsafe extern "C" fn drop_after_grace_period(rcu: *mut bindings::callback_head) {
        // SAFETY: `rcu` is a field of a `Node<V>`.
        let node = unsafe { rcu.byte_sub(offset_of!(Node<V>, rcu)) }.cast::<Node<V>>();

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
    /// Sleeps until a grace period has passed.
    fn drop(self: Pin<&mut Self>) {
        // SAFETY: By the type invariant the table is initialised and owns its nodes. All references
        // to values borrow the table, so there are none.
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
