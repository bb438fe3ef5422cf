// SPDX-License-Identifier: GPL-2.0

//! UID records, user namespaces and credentials for tests to use as they like.
//!
//! The kernel makes these for processes only, and tests run in a kernel thread. What is made here
//! is known to nobody else. It starts with many references, so that C code never frees it.

use core::{
    ops::Deref,
    ptr, //
};

use kernel::{
    cred::Credential,
    error::to_result,
    impl_has_work, new_work,
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        rcu,
        Arc, //
    },
    time::{
        delay::udelay,
        Delta, //
    },
    types::Opaque,
    uaccess::{
        UserPtr,
        UserSlice,
        UserSliceReader, //
    },
    workqueue::{
        Work,
        WorkItem, //
    },
};

use crate::{
    abstractions::{
        counters::Event as _,
        cred::{
            self,
            CredentialExt as _, //
        },
        ftrace,
        key::{
            Key,
            Permissions,
            Serial, //
        },
        keyring::{
            AllocFlags,
            Keyring, //
        },
        user::{
            DroppedRef,
            FreeUid,
            User, //
        },
        user_namespace::{
            UserNamespace,
            Watch, //
        },
    },
    bindings,
    name::Name,
    record::{
        Pair,
        Records, //
    },
    resolver::Resolver,
    stats::Event,
};

pub(crate) use crate::keyring_kunit::tests::{
    new_keyring as keyring,
    set_permissions,
    wait_for, //
};

// What helpers.c has for tests alone.
extern "C" {
    fn usk_kunit_key_users(buffer: *mut u8, size: usize) -> isize;
    fn usk_kunit_set_linger(value: *const kernel::ffi::c_char) -> c_int;
    fn usk_kunit_user_memory(size: usize) -> usize;
    fn usk_kunit_follow() -> c_int;
    fn usk_kunit_unfollow(result: *mut Told);
}

/// How often each tracepoint was reached, and what the last one was told: `struct usk_kunit_told`.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Told {
    /// Those of create, adopt, destroy, revive and hand_back.
    pub(crate) count: [u64; 5],
    pub(crate) ns: u64,
    pub(crate) uid: u32,
    pub(crate) user: Serial,
    pub(crate) session: Serial,
    pub(crate) cause: u32,
    /// All user keyrings that were told of, by exclusive or.
    pub(crate) users: Serial,
}

/// Runs `f`, and returns what is told meanwhile.
pub(crate) fn following(f: impl FnOnce() -> Result) -> Result<Told> {
    let mut told = Told::default();

    // SAFETY: Probes are registered here alone, by one test at a time.
    to_result(unsafe { usk_kunit_follow() })?;
    let result = f();
    // SAFETY: They were registered, and the pointer is valid for a write.
    unsafe { usk_kunit_unfollow(&mut told) };
    result?;
    Ok(told)
}

/// How many references UID records and namespaces begin with.
pub(crate) const REFS: i32 = 1000;

/// A `struct user_struct` and what tests know of it.
struct TestRecord {
    user: Opaque<bindings::user_struct>,
    /// The references that are left out of the count while the UID is away.
    absent: Atomic<i32>,
    next: *mut TestRecord,
}

/// All of them. They are leaked.
static RECORDS: Atomic<*mut TestRecord> = Atomic::new(ptr::null_mut());

impl TestRecord {
    fn find(address: usize) -> Option<&'static Self> {
        let mut next = RECORDS.load(Acquire);

        // SAFETY: What is in the list stays for good.
        while let Some(record) = unsafe { next.as_ref() } {
            if record.user.get().addr() == address {
                return Some(record);
            }
            next = record.next;
        }
        None
    }

    fn count(&self) -> &Atomic<i32> {
        // SAFETY: The counter is valid, and nobody accesses it but by atomic operations.
        unsafe { Atomic::from_ptr(&raw mut (*self.user.get()).__count.refs.counter) }
    }
}

/// Gives a UID record that is about to be freed the references back that it began with.
///
/// The kernel would free it to a cache that it is not from.
pub(crate) struct Rescue;

impl ftrace::Handler for Rescue {
    type Function = FreeUid;

    fn entry(&self, dropped: DroppedRef) {
        let Some(record) = TestRecord::find(dropped.address) else {
            return;
        };

        if record.count().load(Relaxed) == 1 {
            record.count().add(record.absent.xchg(0, Relaxed), Relaxed);
        }
    }
}

/// A UID record that is in no hash table.
///
/// It is leaked, so that tests need not care what refers to it for how long.
pub(crate) struct TestUser(&'static TestRecord);

impl TestUser {
    pub(crate) fn new(uid: u32) -> Result<Self> {
        let mut user = bindings::user_struct::default();

        user.__count.refs.counter = REFS;
        user.uid.val = uid;

        let record = KBox::into_raw(KBox::new(
            TestRecord {
                user: Opaque::new(user),
                absent: Atomic::new(0),
                next: RECORDS.load(Relaxed),
            },
            GFP_KERNEL,
        )?);

        // There is one test at a time.
        RECORDS.store(record, Release);
        // SAFETY: The record was just made, and is never freed.
        Ok(Self(unsafe { &*record }))
    }

    /// Returns the number of references that others hold, those included that are left out.
    pub(crate) fn refs(&self) -> i32 {
        // Credentials and records are dropped after a grace period.
        rcu::rcu_barrier();
        self.0.count().load(Relaxed) + self.0.absent.load(Relaxed) - REFS
    }

    /// Leaves one reference, which is that of an owner. The last other is dropped by `free_uid()`.
    pub(crate) fn leave(&self) {
        self.hide(2);
        // SAFETY: There are two references, and one is ours.
        unsafe { bindings::free_uid(self.0.user.get()) };
    }

    /// Leaves one reference. Two are dropped by tasks that are both in `free_uid()` before either
    /// has changed the count.
    pub(crate) fn leave_two_at_once(&self) {
        self.hide(3);
        for _ in 0..2 {
            self.0.count().store(3, Relaxed);
            // SAFETY: There are three references, and one is ours.
            unsafe { bindings::free_uid(self.0.user.get()) };
        }
        self.0.count().store(1, Relaxed);
    }

    /// Leaves one reference, without a word.
    pub(crate) fn leave_unnoticed(&self) {
        self.hide(1);
    }

    fn hide(&self, left: i32) {
        // Nobody else may change the count.
        rcu::rcu_barrier();
        self.0
            .absent
            .store(self.0.count().load(Relaxed) - 1, Relaxed);
        self.0.count().store(left, Relaxed);
    }

    /// Takes the references again that were there before.
    pub(crate) fn come_back(&self) {
        self.0.count().add(self.0.absent.xchg(0, Relaxed), Relaxed);
    }
}

impl Deref for TestUser {
    type Target = User;

    fn deref(&self) -> &User {
        // SAFETY: The pointer is valid for as long as `self` is.
        unsafe { User::from_ptr(self.0.user.get()) }
    }
}

/// A user namespace that is in no tree.
///
/// It is leaked, because keyrings that outlive a test take themselves out of a list in it.
pub(crate) struct TestNamespace(&'static Opaque<bindings::user_namespace>);

impl TestNamespace {
    /// Creates a namespace that maps `count` UIDs: `inside` in it is `outside` in the initial one.
    pub(crate) fn new(id: u64, inside: u32, outside: u32, count: u32) -> Result<Self> {
        let ns = KBox::leak(KBox::new(
            Opaque::new(bindings::user_namespace::default()),
            GFP_KERNEL,
        )?);
        let raw = ns.get();

        // SAFETY: Nobody else knows the namespace yet. `id` is written to where it is.
        unsafe {
            bindings::__init_rwsem(
                &raw mut (*raw).keyring_sem,
                c"TestNamespace".as_char_ptr(),
                kernel::static_lock_class!().get_ref().as_ptr(),
            );
            bindings::INIT_LIST_HEAD(&raw mut (*raw).keyring_name_list);
            (*raw).ns.__bindgen_anon_1.__ns_ref.refs.counter = REFS;
            raw.byte_add(bindings::USER_NS_ID_OFFSET)
                .cast::<u64>()
                .write(id);
        }
        let ns = Self(ns);
        if count != 0 {
            ns.map(inside, outside, count);
        }
        Ok(ns)
    }

    /// Writes the mapping, as a process does through `/proc/PID/uid_map`.
    pub(crate) fn map(&self, inside: u32, outside: u32, count: u32) {
        // SAFETY: The pointer is valid, and the test is the only one to use the namespace.
        unsafe {
            let map = &raw mut (*self.0.get()).uid_map.__bindgen_anon_1.__bindgen_anon_1;

            (*map).extent[0] = bindings::uid_gid_extent {
                first: inside,
                lower_first: outside,
                count,
            };
            (*map).nr_extents = 1;
        }
    }

    /// Has the namespace no references, as one that is about to be freed, or as many as before.
    pub(crate) fn set_dead(&self, dead: bool) {
        // SAFETY: The pointer is valid, and the test is the only one to change the count.
        unsafe {
            let count = &raw mut (*self.0.get()).ns.__bindgen_anon_1.__ns_ref.refs.counter;

            count.write_volatile(if dead { 0 } else { REFS });
        }
    }

    /// Returns the number of references that others hold.
    pub(crate) fn refs(&self) -> i32 {
        rcu::rcu_barrier();
        // SAFETY: The pointer is valid.
        unsafe {
            (&raw const (*self.0.get()).ns.__bindgen_anon_1.__ns_ref.refs.counter).read_volatile()
                - REFS
        }
    }
}

impl Deref for TestNamespace {
    type Target = UserNamespace;

    fn deref(&self) -> &UserNamespace {
        // SAFETY: The pointer is valid for as long as `self` is.
        unsafe { UserNamespace::from_ptr(self.0.get()) }
    }
}

impl Drop for TestNamespace {
    fn drop(&mut self) {
        // SAFETY: The namespace holds a reference on its register. `key_put` takes NULL.
        unsafe { bindings::key_put((*self.0.get()).user_keyring_register) };
    }
}

/// Returns credentials of `user` in `ns`.
pub(crate) fn cred(user: &TestUser, ns: &UserNamespace) -> Result<ARef<Credential>> {
    // SAFETY: `init_task` is never freed.
    let raw = unsafe { bindings::prepare_kernel_cred(&raw mut bindings::init_task) };
    let cred = core::ptr::NonNull::new(raw.cast::<Credential>()).ok_or(ENOMEM)?;

    // SAFETY: Nobody else knows the credentials yet, which own a reference on each record and
    // namespace: the old ones are given up, and the new ones taken.
    unsafe {
        bindings::free_uid((*raw).user);
        (*raw).user = ARef::into_raw(ARef::<User>::from(&**user)).cast().as_ptr();
        bindings::put_user_ns((*raw).user_ns);
        (*raw).user_ns = ARef::into_raw(ARef::<UserNamespace>::from(ns))
            .cast()
            .as_ptr();
        (*raw).uid = user.uid().into_raw();
        (*raw).euid = user.uid().into_raw();
        (*raw).fsuid = user.uid().into_raw();
    }

    // SAFETY: The one reference is handed over.
    Ok(unsafe { ARef::from_raw(cred) })
}

/// Waits for something that a work item does, for two seconds at most.
pub(crate) fn wait_until(f: impl Fn() -> bool) -> bool {
    wait_for(2, f)
}

static IN_CHARGE: Atomic<i32> = Atomic::new(1);
static STOP_IN: Atomic<i32> = Atomic::new(0);
static STOPPED: Atomic<i32> = Atomic::new(0);

/// What records ask before they unlink keyrings. It stops there if it was asked to.
pub(crate) fn in_charge() -> bool {
    if STOP_IN.fetch_sub(1, Relaxed) == 1 {
        STOPPED.store(1, Release);
        wait_for(10, || STOPPED.load(Acquire) == 0);
    }
    IN_CHARGE.load(Relaxed) != 0
}

/// Sets what [`in_charge`] returns.
pub(crate) fn set_in_charge(yes: bool) {
    IN_CHARGE.store(yes.into(), Relaxed);
}

/// Has a call of [`in_charge`] stop: 1 is the next, before it is decided that a UID is dead, and 2
/// the one after, before the first keyring is unlinked.
pub(crate) fn stop_at(call: i32) {
    STOP_IN.store(call, Relaxed);
}

/// Waits until [`in_charge`] has stopped.
pub(crate) fn wait_for_stop() -> bool {
    wait_until(has_stopped)
}

/// Returns whether [`in_charge`] has stopped, and not gone on.
pub(crate) fn has_stopped() -> bool {
    STOPPED.load(Acquire) != 0
}

/// Has [`in_charge`] go on.
pub(crate) fn go_on() {
    STOPPED.store(0, Release);
}

/// Sets the parameter as a write to its file in sysfs does.
pub(crate) fn set_linger(seconds: &CStr) -> Result {
    // SAFETY: The string is valid for the duration of the call.
    to_result(unsafe { usk_kunit_set_linger(seconds.as_char_ptr()) })
}

/// Returns the number of keys and the number of bytes that are charged to the quota of a UID, or
/// [`None`] if the kernel has no account for it.
pub(crate) fn quota(uid: u32) -> Result<Option<(u32, u32)>> {
    let mut text = KVec::<u8>::with_capacity(1 << 16, GFP_KERNEL)?;
    // SAFETY: There is room for so many bytes.
    let len = unsafe { usk_kunit_key_users(text.as_mut_ptr(), text.capacity()) };
    let len = usize::try_from(len).map_err(|_| Error::from_errno(len as c_int))?;

    // SAFETY: So many have been written.
    unsafe { text.inc_len(len) };
    for line in core::str::from_utf8(&text).map_err(|_| EIO)?.lines() {
        let mut fields = line
            .split([':', ' ', '/'])
            .filter(|field| !field.is_empty());
        let mut next = || fields.next()?.parse::<u32>().ok();
        // The UID, references, keys, those that are instantiated, those that are charged, how many
        // may be, and the same for bytes.
        let [found, _, _, _, keys, _, bytes, _] = [(); 8].map(|()| next());

        if found == Some(uid) {
            return Ok(keys.zip(bytes));
        }
    }
    Ok(None)
}

/// Returns a reader of what a process has written.
pub(crate) fn user_text(text: &[u8]) -> Result<UserSliceReader> {
    // SAFETY: An FFI call with no additional requirements. It ends with the test.
    let address = UserPtr::from_addr(unsafe { usk_kunit_user_memory(PAGE_SIZE) });

    UserSlice::new(address, text.len())
        .writer()
        .write_slice(text)?;
    Ok(UserSlice::new(address, text.len()).reader())
}

/// Something to be done by another kernel thread.
#[pin_data]
pub(crate) struct Task<F: Fn() + Send + Sync + 'static> {
    f: F,
    #[pin]
    work: Work<Task<F>>,
}

impl_has_work! {
    impl{F: Fn() + Send + Sync + 'static} HasWork<Self> for Task<F> { self.work }
}

impl<F: Fn() + Send + Sync + 'static> Task<F> {
    pub(crate) fn new(f: F) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                f,
                work <- new_work!("Task::work"),
            }),
            GFP_KERNEL,
        )
    }
}

impl<F: Fn() + Send + Sync + 'static> WorkItem for Task<F> {
    type Pointer = Arc<Self>;

    fn run(this: Arc<Self>) {
        (this.f)();
    }
}

/// Returns records that are in charge.
pub(crate) fn records() -> Result<Arc<Records>> {
    // A test that fails restores nothing.
    set_linger(c"0")?;
    set_in_charge(true);
    stop_at(0);
    go_on();
    // SAFETY: Namespaces of tests are never freed.
    let watch = unsafe { Watch::new(|| true) };

    Records::new(in_charge, || IN_CHARGE.load(Relaxed) != 0, watch)
}

/// A resolver with records of its own.
pub(crate) struct TestResolver {
    pub(crate) resolver: Resolver,
    pub(crate) records: Arc<Records>,
}

impl TestResolver {
    pub(crate) fn new() -> Result<Self> {
        let records = records()?;

        Ok(Self {
            resolver: Resolver::new(records.clone()),
            records,
        })
    }

    /// Resolves as a task with these credentials would.
    pub(crate) fn resolve(&self, cred: &Credential) -> Result<Pair> {
        cred.impersonate(|| self.resolver.resolve(cred, Pair::clone))
    }

    /// Returns what `request_key()` would search on behalf of these credentials.
    pub(crate) fn session_keyring(&self, cred: &Credential) -> Option<ARef<Keyring>> {
        self.resolver.session_keyring(cred, &rcu::read_lock())
    }
}

/// What most tests of the resolver, and of what becomes of keyrings, begin with.
///
/// Fields are dropped in this order: what refers to others goes first.
pub(crate) struct Setup {
    pub(crate) resolver: TestResolver,
    pub(crate) cred: ARef<Credential>,
    pub(crate) ns: TestNamespace,
    pub(crate) user: TestUser,
}

impl Setup {
    pub(crate) fn new(uid: u32) -> Result<Self> {
        Self::new_in(TestNamespace::new(1000, 0, 0, u32::MAX)?, uid)
    }

    /// The same in a namespace that has no mapping yet.
    pub(crate) fn new_unmapped(uid: u32) -> Result<Self> {
        Self::new_in(TestNamespace::new(1000, 0, 0, 0)?, uid)
    }

    fn new_in(ns: TestNamespace, uid: u32) -> Result<Self> {
        let user = TestUser::new(uid)?;

        Ok(Self {
            cred: cred(&user, &ns)?,
            user,
            ns,
            resolver: TestResolver::new()?,
        })
    }

    pub(crate) fn records(&self) -> &Records {
        &self.resolver.records
    }

    pub(crate) fn resolve(&self) -> Result<Pair> {
        self.resolver.resolve(&self.cred)
    }

    pub(crate) fn session_keyring(&self) -> Option<Serial> {
        let keyring = self.resolver.session_keyring(&self.cred)?;

        Some(keyring.serial())
    }

    pub(crate) fn register(&self) -> Result<&Keyring> {
        self.ns.user_keyring_register().ok_or(ENOKEY)
    }

    /// Puts a keyring into the register, as the kernel's own code would.
    pub(crate) fn register_another(&self, name: &CStr) -> Result<ARef<Keyring>> {
        cred::with_current(|cred| {
            Keyring::alloc(
                name,
                self.user.uid(),
                cred,
                Permissions::POSSESSOR_ALL,
                AllocFlags::UidKeyring,
                Some(self.register()?),
            )
        })
    }
}

/// Waits for the work that has begun: an owner looks, has somebody wait, and looks again.
pub(crate) fn finish(records: &Records) {
    for _ in 0..3 {
        let _ = records.reap(|_| false);
    }
}

impl Setup {
    /// Waits for the work that has begun.
    pub(crate) fn finish(&self) {
        finish(self.records());
    }

    /// Has the UID go, and returns whether its keyrings have gone.
    pub(crate) fn die(&self) -> bool {
        self.user.leave();
        self.finish();
        self.records().pairs() == 0
    }

    /// Has the UID go, and calls `f` while it is being decided whether it is dead.
    pub(crate) fn while_dying<R>(&self, f: impl FnOnce(&rcu::Guard) -> R) -> Result<R> {
        stop_at(1);
        self.user.leave();
        if !wait_for_stop() {
            return Err(ETIMEDOUT);
        }

        // The grace period that is waited for does not end before this guard is dropped.
        let rcu = rcu::read_lock();
        go_on();
        for _ in 0..10_000 {
            if self.records().pair(&self.user, &self.ns, &rcu).is_none() {
                return Ok(f(&rcu));
            }
            udelay(Delta::from_micros(100));
        }
        Err(ETIMEDOUT)
    }

    /// Returns whether the register has a keyring of this name.
    pub(crate) fn has(&self, name: &Name) -> bool {
        self.register()
            .is_ok_and(|register| matches!(register.find_linked(name.as_c_str()), Ok(Some(_))))
    }

    /// Returns whether the register has the user keyring, and whether it has the user session
    /// keyring.
    pub(crate) fn registered(&self) -> (bool, bool) {
        let uid = self.user.uid().into_raw().val;

        (self.has(&Name::user(uid)), self.has(&Name::session(uid)))
    }
}

/// Waits until a key has no references any more.
pub(crate) fn is_gone(serial: Serial) -> bool {
    wait_until(|| Key::lookup(serial).is_err())
}

/// Returns the serial numbers of a pair.
pub(crate) fn serials(pair: &Pair) -> (Serial, Serial) {
    (pair.user.serial(), pair.session.serial())
}

/// Runs `f` and returns how often each event happened meanwhile.
pub(crate) fn counting<R, const N: usize>(
    events: [Event; N],
    f: impl FnOnce() -> R,
) -> (R, [u64; N]) {
    let before = events.map(|event| event.total());
    let result = f();
    let mut after = events.map(|event| event.total());

    for (after, before) in after.iter_mut().zip(before) {
        *after -= before;
    }
    (result, after)
}

/// Gives a keyring of the test's own to another UID.
pub(crate) fn set_uid(keyring: &Keyring, uid: u32) {
    // SAFETY: The pointer is valid, and nobody else writes the field.
    unsafe { (*keyring.as_ptr()).uid.val = uid };
}
