//! Copies a sealed file to its object, and looks whether it is there.
//!
//! - `P1` an object is named by the hash of its bytes, so writing it again changes nothing.
//! - `P2` what is sent is hashed on the way: an object whose bytes are not those that the manifest
//!   names is never completed.
//! - `P3` memory is bounded by two parts, whatever the file.

use crate::catalog::{Hash, folder_of};
use crate::error::{Error, Result};
use crate::store::Store;
use bytes::Bytes;
use futures_util::stream::TryStreamExt;
use logstrata_engine::SealedFile;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc::{Receiver, channel};

/// A multipart upload has at most 10,000 parts.
const PARTS_MAX: u64 = 9_000;

/// The object of a file.
pub(crate) fn object_of(store: &[u8; 16], hash: &Hash) -> String {
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}/seg/{hash}", folder_of(store))
}

/// The hash that an object is named by.
pub(crate) fn hash_of(name: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if name.len() != 64 || !name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(name.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// The hash of a file. Those that the manifest has none of are read, and remembered.
pub(crate) async fn hash_of_file(
    file: &Arc<SealedFile>,
    part: u64,
    known: &mut HashMap<String, Hash>,
) -> Result<Hash> {
    if let Some(hash) = file.blake3.or_else(|| known.get(&file.name).copied()) {
        return Ok(hash);
    }
    let mut parts = read_parts(file, part);
    let mut hasher = blake3::Hasher::new();
    while let Some(bytes) = parts.recv().await {
        hasher.update(&bytes?);
    }
    let hash = hasher.finalize().into();
    known.insert(file.name.clone(), hash);
    Ok(hash)
}

/// Makes sure that the file's object is there and has its bytes. Returns how many were sent.
pub(crate) async fn copy(
    store: &Store,
    uuid: &[u8; 16],
    file: &Arc<SealedFile>,
    hash: &Hash,
) -> Result<u64> {
    let object = object_of(uuid, hash);
    // A crash before the catalog knew it: it may be whole.
    if is_whole(store, &object, file.len, hash).await? {
        return Ok(0);
    }
    send(store, &object, file, hash).await?;
    if store.read_back && !is_whole(store, &object, file.len, hash).await? {
        return Err(Error::corrupt(format!(
            "{object} in {} was written and has other bytes now: the store or the network changes \
             what it is given",
            store.shown()
        )));
    }
    Ok(file.len)
}

async fn send(store: &Store, object: &str, file: &Arc<SealedFile>, hash: &Hash) -> Result<()> {
    let part = store.part_bytes.max(file.len.div_ceil(PARTS_MAX));
    let mut parts = read_parts(file, part);
    let mut hasher = blake3::Hasher::new();
    if file.len <= part {
        let bytes = parts.recv().await.unwrap_or_else(|| Ok(Bytes::new()))?;
        check_hash(file, hasher.update(&bytes), hash)?;
        return store.write_file(object, bytes).await;
    }
    let mut upload = store.begin(object).await?;
    let sent = async {
        while let Some(bytes) = parts.recv().await {
            let bytes = bytes?;
            hasher.update(&bytes);
            upload.put(bytes).await?;
        }
        // P2: before it is complete.
        check_hash(file, &hasher, hash)
    };
    match sent.await {
        Ok(()) => upload.complete().await,
        Err(error) => {
            upload.abort().await;
            Err(error)
        }
    }
}

fn check_hash(file: &SealedFile, hasher: &blake3::Hasher, hash: &Hash) -> Result<()> {
    if hasher.finalize() == *hash {
        return Ok(());
    }
    Err(Error::corrupt(format!(
        "{} on the local disk has other bytes than the manifest says: run `logstrata verify`; it is \
         not copied",
        file.name
    )))
}

/// The file part by part, read by a thread that may wait for the disk.
fn read_parts(file: &Arc<SealedFile>, part: u64) -> Receiver<Result<Bytes>> {
    let (sender, receiver) = channel(1);
    let file = Arc::clone(file);
    tokio::task::spawn_blocking(move || {
        let mut at = 0;
        while at < file.len {
            let bytes = part.min(file.len - at);
            let mut buffer = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
            let read = file.read_at(&mut buffer, at).map(|()| Bytes::from(buffer));
            let failed = read.is_err();
            // Whoever asked may have given up.
            if sender.blocking_send(read.map_err(Error::from)).is_err() || failed {
                return;
            }
            at += bytes;
        }
    });
    receiver
}

/// Whether an object is there, with this length and these bytes. An earlier attempt may have left one
/// that failed to be read back.
async fn is_whole(store: &Store, object: &str, len: u64, hash: &Hash) -> Result<bool> {
    let Some(meta) = store.head(object).await? else { return Ok(false) };
    if meta.size != len {
        return Ok(false);
    }
    has_hash(store, object, hash).await
}

/// Whether the bytes of an object have this hash.
pub(crate) async fn has_hash(store: &Store, object: &str, hash: &Hash) -> Result<bool> {
    let Some((_, mut pieces)) = store.stream(object).await? else { return Ok(false) };
    let mut hasher = blake3::Hasher::new();
    while let Some(piece) = pieces.try_next().await? {
        hasher.update(&piece);
    }
    Ok(hasher.finalize() == *hash)
}
