//! Which threads may wait for the disk. Those that serve a network may not: one that waits for a
//! page of a file keeps all connections waiting, also those that ask whether the server is alive.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    static SERVES_NETWORK: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, this thread serves a network, and must read no file of a store.
#[derive(Debug)]
pub struct NetworkTurn {
    before: bool,
    /// It is about the thread that made it.
    _not_send: PhantomData<*const ()>,
}

/// Declares that this thread serves a network until the result is dropped. In debug builds, reading
/// a file of a store panics meanwhile.
pub fn network_turn() -> NetworkTurn {
    NetworkTurn { before: SERVES_NETWORK.replace(true), _not_send: PhantomData }
}

impl Drop for NetworkTurn {
    fn drop(&mut self) {
        SERVES_NETWORK.set(self.before);
    }
}

/// To be called before files of a store are read, also where they are mapped: a page fault waits, too.
pub(crate) fn check_may_wait() {
    debug_assert!(!SERVES_NETWORK.get(), "a thread of the network reads a file of the store");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_nest_and_end() {
        let outer = network_turn();
        drop(network_turn());
        assert!(SERVES_NETWORK.get());
        drop(outer);
        assert!(!SERVES_NETWORK.get());
    }
}
