// SPDX-License-Identifier: GPL-2.0

//! Data that hangs off a structure of somebody else's.
//!
//! Purpose: `struct task_struct` has no room for what a module wants to know of each task, here how
//! often it has read a file. So it is kept in a table, by the address of the structure. What makes
//! that right:
//!
//! - Tasks born before the module was loaded are like any other: what hangs off a task is made when
//!   it is first asked for.
//! - It ends with the task, and not later: a function probe on `exit_files()`, which every task
//!   calls once when it exits, takes it out of the table. A task that has called it reads no file
//!   any more, so nothing is hung off a task that is gone already.
//! - It holds a reference on the structure, so its address is not that of another task before it is
//!   out of the table. Were the end of a task ever missed, memory would be kept until the module is
//!   removed, and no other task be taken for the old one.
//!
//! The kernel's own way for livepatches are shadow variables (`samples/livepatch` there); their
//! number of buckets is fixed, and this table grows.
//!
//! Usage: `make samples KDIR=...`, then as root in a system that runs this kernel:
//!
//! 1. Load the module, and have a task read the file twice. A shell's own `read` does it without a
//!    task of its own for each.
//!
//!    ```text
//!    # insmod samples/rust_task_counters.ko
//!    # cd /sys/kernel/debug/rust_task_counters
//!    # read -r line < reads; echo "$line"
//!    1 by this task; tasks on record: 1
//!    # read -r line < reads; echo "$line"
//!    2 by this task; tasks on record: 1
//!    ```
//!
//! 2. Have another task read it. It is on record for as long as it lives.
//!
//!    ```text
//!    # cat reads
//!    1 by this task; tasks on record: 2
//!    # cat reads
//!    1 by this task; tasks on record: 2
//!    ```
//!
//! 3. Remove the module.
//!
//!    ```text
//!    # cd
//!    # rmmod rust_task_counters
//!    ```

use kernel::{
    debugfs, fmt,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
    task::Task,
};

use crate::{
    ftrace::{
        Function,
        Handler,
        Registers, //
    },
    rhashtable::{
        RhashTable,
        TableKey, //
    },
};

#[path = "../rust/bindings/mod.rs"]
mod bindings;
#[path = "../rust/abstractions/fprobe.rs"]
#[allow(
    dead_code,
    reason = "an abstraction is whole, whether or not this sample needs all of it"
)]
mod fprobe;
#[path = "../rust/abstractions/ftrace.rs"]
#[allow(dead_code, reason = "as above")]
mod ftrace;
#[path = "../rust/abstractions/rcu.rs"]
#[allow(dead_code, reason = "as above")]
mod rcu;
#[path = "../rust/abstractions/rhashtable.rs"]
#[allow(dead_code, reason = "as above")]
mod rhashtable;

module! {
    type: RustTaskCounters,
    name: "rust_task_counters",
    authors: ["The user_session_keyring developers"],
    description: "Data that hangs off a structure of somebody else's",
    license: "GPL",
}

/// What hangs off a task.
struct Counter {
    _task: ARef<Task>,
    reads: Atomic<u64>,
}

type Table = RhashTable<Counter>;

/// What a counter is found by.
fn place(task: usize) -> TableKey {
    [task as u64, 0]
}

/// The file, which counts who reads it.
struct Reads(Arc<Table>);

impl Reads {
    /// Counts a read by the current task, and returns how many that makes.
    fn count(&self) -> Result<u64> {
        let task = current!();
        let place = place(task.as_ptr().addr());

        if let Some(counter) = self.0.get(&place, &rcu::read_lock()) {
            return Ok(counter.reads.fetch_add(1, Relaxed) + 1);
        }
        // Nobody stores the same key at the same time: each task stores its own.
        self.0.store(
            place,
            Counter {
                _task: ARef::from(&**task),
                reads: Atomic::new(1),
            },
        )?;
        Ok(1)
    }
}

impl debugfs::Writer for Reads {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count() {
            Ok(reads) => writeln!(f, "{reads} by this task; tasks on record: {}", self.0.len()),
            Err(e) => writeln!(f, "not counted: {e:?}"),
        }
    }
}

/// `exit_files()`, which every task calls once when it exits.
struct ExitFiles;

// SAFETY: The function takes a pointer to a `struct task_struct` as its only argument.
unsafe impl Function for ExitFiles {
    const SYMBOL: &'static CStr = c"exit_files";

    type Argument = usize;

    fn argument(registers: &Registers<'_>) -> Option<usize> {
        Some(registers.first_argument())
    }
}

/// Takes off a task what hangs off it when it exits.
struct Exit(Arc<Table>);

impl Handler for Exit {
    type Function = ExitFiles;

    fn entry(&self, task: usize) {
        self.0.remove(&place(task));
    }
}

/// Fields are dropped in this order: nobody reads the file any more when the probe goes.
#[pin_data]
struct RustTaskCounters {
    #[pin]
    _reads: debugfs::File<Reads>,
    _dir: debugfs::Dir,
    #[pin]
    _probe: fprobe::Registration<Exit>,
}

impl kernel::InPlaceModule for RustTaskCounters {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(|| {
            let table = Arc::pin_init(Table::new(), GFP_KERNEL)?;
            let dir = debugfs::Dir::new(c"rust_task_counters");

            Ok(try_pin_init!(Self {
                // Before the file: no task may exit unseen that is on record.
                _probe <- fprobe::Registration::new(Exit(table.clone())),
                _reads <- dir.read_only_file(c"reads", Reads(table)),
                _dir: dir,
            }))
        })
    }
}
