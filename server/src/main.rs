//! The `logstrata` program, and its allocator.

use std::ffi::{c_int, c_long};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc 3: how many milliseconds freed memory is kept.
const PURGE_DELAY: c_int = 15;

/// Memory is used again after less, mostly: giving it back at once takes a fifth more CPU. A tenth of a
/// second took a percent less, and at a gigabyte a second that is 100 MiB which no budget knows of.
const KEPT_MS: c_long = 20;

#[expect(unsafe_code, reason = "functions of the linked allocator that have no safe wrapper")]
unsafe extern "C" {
    fn mi_option_set_default(option: c_int, value: c_long);
    #[cfg(test)]
    fn mi_option_get(option: c_int) -> c_long;
}

fn main() -> ExitCode {
    give_back_what_is_freed();
    logstrata_server::cli::main()
}

/// What is freed goes back to the system soon, and nothing is made resident that was not touched.
/// Otherwise the allocator keeps freed memory for a second, or until it is asked for more, and the
/// system rounds what is used up to pages of 2 MiB: under overload that is more than the budget
/// itself, and nobody counts it. `MIMALLOC_PURGE_DELAY` overrides it.
fn give_back_what_is_freed() {
    // A system that knows no such pages has nothing to be turned off.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    #[expect(unsafe_code, reason = "sets an option of the allocator")]
    // SAFETY: it takes integers and stores one in a table, unless the environment has set it; no
    // other thread runs yet that could read it meanwhile.
    unsafe {
        mi_option_set_default(PURGE_DELAY, KEPT_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purge_delay() -> c_long {
        #[expect(unsafe_code, reason = "reads an option of the allocator")]
        // SAFETY: it takes an integer and returns one.
        unsafe {
            mi_option_get(PURGE_DELAY)
        }
    }

    /// The number of an option is a detail of the allocator: its default tells that it is still
    /// this one.
    #[test]
    fn the_option_is_the_one_that_is_meant() {
        assert!(std::env::var_os("MIMALLOC_PURGE_DELAY").is_none(), "the test needs the default");
        assert_eq!(purge_delay(), 1_000);
        give_back_what_is_freed();
        assert_eq!(purge_delay(), KEPT_MS);
    }
}
