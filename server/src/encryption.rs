//! The keys that a store is encrypted under: from a file, or from the environment.
#![expect(clippy::disallowed_types, reason = "the keys are read before there is a store")]

use crate::config::Config;
use logstrata_engine::crypt::Keyring;
use logstrata_engine::io::{Io, KeyedStorage, Storage};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zeroize::Zeroizing;

/// The keys themselves. They are no setting: settings are printed.
const KEY: &str = "LOGSTRATA_ENCRYPTION_KEY";
/// The file of keys, for commands that have no configuration.
const KEY_FILE: &str = "LOGSTRATA_ENCRYPTION_KEY_FILE";
/// A file of keys has at most so many bytes.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// What others than owner and group may do with a file.
const OTHERS: u32 = 0o007;

/// The keys that a configuration asks for, if it does.
///
/// # Errors
/// What is wrong with them, for people; never what they are. That there are none, if they are required.
pub(crate) fn keys_of(config: &Config) -> Result<Option<Arc<Keyring>>, String> {
    match (keys(config.key_file.as_deref())?, config.requires_encryption) {
        (None, true) => {
            Err(format!("encryption.require is set, and neither encryption.key_file nor {KEY} is"))
        }
        (keys, true) => Ok(keys.map(|keys| Arc::new(keys.requiring()))),
        (keys, false) => Ok(keys.map(Arc::new)),
    }
}

/// The keys of this file or of the environment, if there are any.
fn keys(file: Option<&Path>) -> Result<Option<Keyring>, String> {
    let given = std::env::var_os(KEY).filter(|keys| !keys.is_empty());
    let (from, text) = match (file, given) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(format!("{KEY} and encryption.key_file are both set: one has to go"));
        }
        (Some(path), None) => (path.display().to_string(), read(path)?),
        (None, Some(keys)) => {
            let keys = keys.into_string().map_err(|_| format!("{KEY} is not UTF-8"))?;
            (KEY.to_owned(), Zeroizing::new(keys))
        }
    };
    // That it can't be forbidden is no reason not to start.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    Keyring::parse(&text).map(Some).map_err(|error| format!("{from}: {error}"))
}

/// Disk, clock and chance for a command that works on a store without a configuration.
///
/// # Errors
/// What is wrong with the keys.
pub(crate) fn io_of_environment() -> Result<Io, String> {
    let file = std::env::var_os(KEY_FILE).filter(|path| !path.is_empty()).map(PathBuf::from);
    let keys = keys(file.as_deref())?.map(Arc::new);
    let mut io = Io::system();
    io.storage = storage(io.storage, keys.as_ref());
    Ok(io)
}

/// The storage whose files are under these keys.
pub(crate) fn storage(inner: Arc<dyn Storage>, keys: Option<&Arc<Keyring>>) -> Arc<dyn Storage> {
    match keys {
        Some(keys) => Arc::new(KeyedStorage::new(inner, Arc::clone(keys))),
        None => inner,
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let shown = path.display();
    let failed =
        |error: std::io::Error| format!("cannot read the encryption keys {shown}: {error}");
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode();
    if mode & OTHERS != 0 {
        return Err(format!(
            "the encryption keys {shown} can be read or written by everybody (mode {:o}): \
             chmod 600 {shown}",
            mode & 0o777
        ));
    }
    // With room for all of it: text that grows leaves copies behind.
    let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize + 1));
    let read = file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(failed)?;
    match read as u64 > FILE_BYTES_MAX {
        true => {
            Err(format!("the encryption keys {shown} have more than 64 KiB: not a file of keys"))
        }
        false => Ok(text),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "makes files of keys")]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_file_of_keys_is_read_unless_everybody_may() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys");
        let digits = "0123456789abcdef".repeat(4);
        write(&path, format!("# the first\nk1:{digits}\n")).unwrap();
        let mode = |mode| set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        mode(0o644);
        let refused = keys(Some(&path)).unwrap_err();
        assert!(refused.contains("mode 644") && refused.contains("chmod 600"), "{refused}");
        for fine in [0o600, 0o640, 0o400] {
            mode(fine);
            let keys = keys(Some(&path)).unwrap().expect("keys");
            assert_eq!(keys.active().to_string(), "k1");
        }
        let missing = keys(Some(&dir.path().join("missing"))).unwrap_err();
        assert!(missing.contains("missing"), "{missing}");
    }
}
