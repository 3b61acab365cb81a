//! The SIGBUS handler. Reading a mapped page that its file no longer has, or that the disk can't
//! deliver, raises SIGBUS, which ends a process. For a mapping of ours the handler puts a page of
//! zeros in the place of the missing one, marks the mapping, and lets the thread go on: whoever
//! reads finds the mark before the bytes are believed. The idea is that of systemd's
//! `src/basic/sigbus.c`. A fault elsewhere is handled as if we were not there; a signal that someone
//! sends ends the process, unless it is ignored, and never disarms the guard.
//!
//! - `G1` the handler only loads and stores atomics, makes system calls, and returns.
//! - `G2` a mapping is marked before its zeros can be read, by this thread or another.

use super::TABLE;
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

/// What the handler needs; there before it is installed.
struct Guard {
    /// What handled the signal before.
    previous: libc::sigaction,
    page_bytes: usize,
}

static GUARD: OnceLock<Guard> = OnceLock::new();
static INSTALLED: OnceLock<bool> = OnceLock::new();

/// Installs the handler, once in a process. Returns the size of a page; `None` if there can be no
/// handler, and then nothing may be mapped.
pub(super) fn install() -> Option<usize> {
    let installed = INSTALLED.get_or_init(|| {
        let guard = previous_action().zip(page_bytes());
        let guard = guard.map(|(previous, page_bytes)| Guard { previous, page_bytes });
        guard.is_some_and(|guard| GUARD.set(guard).is_ok()) && set_handler()
    });
    GUARD.get().filter(|_| *installed).map(|guard| guard.page_bytes)
}

#[expect(unsafe_code, reason = "asks the system; there is no safe wrapper in use")]
fn page_bytes() -> Option<usize> {
    // SAFETY: takes and returns an integer, no memory is involved.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).ok().filter(|bytes| bytes.is_power_of_two())
}

#[expect(unsafe_code, reason = "asks the system; there is no safe wrapper in use")]
fn previous_action() -> Option<libc::sigaction> {
    let mut action = MaybeUninit::uninit();
    // SAFETY: without a new action the call changes nothing but writes the current one to a place
    // that is large and aligned enough for it.
    let status = unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: the call succeeded, so it has written the action.
    (status == 0).then(|| unsafe { action.assume_init() })
}

#[expect(unsafe_code, reason = "installs a signal handler")]
fn set_handler() -> bool {
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = on_sigbus;
    // SAFETY: every field of the C struct may be zero: no flag, an empty mask, no handler.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler as libc::sighandler_t;
    // A thread that overflows its stack still gets its own message.
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the action is initialised, its mask is empty, the handler has the signature that
    // SA_SIGINFO asks for, and does nothing that a signal handler may not (G1).
    unsafe { libc::sigaction(libc::SIGBUS, &raw const action, ptr::null_mut()) == 0 }
}

#[expect(unsafe_code, reason = "a signal handler: its arguments are pointers of the kernel")]
extern "C" fn on_sigbus(signal: c_int, info: *mut libc::siginfo_t, _context: *mut c_void) {
    let Some(guard) = GUARD.get() else { return };
    // SAFETY: with SA_SIGINFO the kernel passes a pointer to an initialised siginfo.
    let code = unsafe { (*info).si_code };
    // Not that of another process or of a program (`SI_USER` and below).
    let is_fault = code > 0;
    if is_fault {
        // SAFETY: as above; for SIGBUS of the kernel (code > 0) the union holds an address.
        let address = unsafe { (*info).si_addr() }.addr();
        if TABLE.fault_at(address) && put_zeros(address & !(guard.page_bytes - 1), guard) {
            return;
        }
    }
    if is_fault {
        // The instruction that faulted is run again, and faults again.
        // SAFETY: the action is one that the kernel gave us; sigaction may be called here.
        unsafe { libc::sigaction(signal, &raw const guard.previous, ptr::null_mut()) };
    } else if guard.previous.sa_sigaction != libc::SIG_IGN {
        end(signal);
    }
}

/// Ends the process, as a signal that someone sends does where nobody handles it. Not by the
/// handler that was there before: the standard library's lets such a signal pass, and we would be
/// gone.
#[expect(unsafe_code, reason = "calls the system in a signal handler")]
fn end(signal: c_int) {
    // SAFETY: both may be called here. The signal is delivered when this handler returns.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Replaces the page at this address, which is in a mapping of ours, by zeros.
#[expect(unsafe_code, reason = "maps memory at a fixed address")]
fn put_zeros(page: usize, guard: &Guard) -> bool {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
    let at = ptr::with_exposed_provenance_mut(page);
    // SAFETY: the page lies in a mapping of the table, which ranges over whole pages and stays
    // while it is read (T1), so nothing but that mapping is replaced; what it had there could not
    // be read by anyone. Its references are to bytes that are only read, and all of them see zeros
    // from now on, never unmapped memory. The call is a system call and leaves errno alone unless
    // it fails, and then the process is about to end.
    let mapped = unsafe { libc::mmap(at, guard.page_bytes, libc::PROT_READ, flags, -1, 0) };
    mapped != libc::MAP_FAILED
}
