//! Under which keys a store is encrypted.

use super::{Client, decode};
use crate::error::Result;
use crate::wire::{ENCRYPTION_PATH, EncryptionAnswer};
use hyper::Method;

impl Client {
    /// Under which keys the store is encrypted, part by part.
    ///
    /// # Errors
    /// [`Error::Server`](crate::Error::Server), [`Error::Transport`](crate::Error::Transport).
    pub async fn encryption(&self) -> Result<EncryptionAnswer> {
        decode(&self.call(Method::GET, ENCRYPTION_PATH, "").await?)
    }
}
