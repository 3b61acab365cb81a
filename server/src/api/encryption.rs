//! `GET /api/v1/admin/encryption`: what is under which key.

use super::{Call, Outcome};
use crate::status::json;
use logstrata_client::wire::{EncryptionAnswer, FileCount, FilesUnderKey};
use logstrata_engine::crypt::KeyId;
use logstrata_engine::{EncryptionStatus, KeyUse};
use std::collections::BTreeMap;

pub(super) async fn get(call: Call) -> Outcome {
    call.params(&[])?;
    let state = call.state.clone();
    // It may read the header of every file.
    let read = call.state.status.run(move || state.engine.encryption());
    let EncryptionStatus { keys, files, away, key_files, manifest, log, unreadable } =
        read.await??;
    let count = |of: KeyUse| FileCount { files: of.files, bytes: of.bytes };
    let name = |key: Option<KeyId>| key.map(|key| key.to_string());
    let under = |files: BTreeMap<Option<KeyId>, KeyUse>| -> Vec<FilesUnderKey> {
        let under = |(key, of)| FilesUnderKey { key: name(key), count: count(of) };
        files.into_iter().map(under).collect()
    };
    let answer = EncryptionAnswer {
        keys: keys.iter().map(ToString::to_string).collect(),
        files: under(files),
        away: under(away),
        key_files: under(key_files),
        manifest: name(manifest),
        log: log.into_iter().map(name).collect(),
        unreadable: count(unreadable),
    };
    Ok(json(serde_json::to_vec(&answer).expect("plain values always serialize")))
}
