//! Encryption at rest for some seeds: what holds of a store holds of an encrypted one.

use logstrata_engine::crypt::Keyring;
use logstrata_engine::io::{KeyedStorage, Storage};
use std::sync::Arc;

/// Keys for one seed in three.
pub fn keys_of(seed: u64) -> Option<Arc<Keyring>> {
    let key = "model:ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    seed.is_multiple_of(3).then(|| Arc::new(Keyring::parse(key).expect("a key")))
}

/// The storage, whose files are under the keys if there are any.
pub fn keyed(storage: Arc<dyn Storage>, keys: Option<&Arc<Keyring>>) -> Arc<dyn Storage> {
    match keys {
        Some(keys) => Arc::new(KeyedStorage::new(storage, Arc::clone(keys))),
        None => storage,
    }
}
