//! One class of a day as files: read piece by piece, written, hashed and sent on the way.

use super::manifest::DayFile;
use super::{ExportSettings, ExportWriter};
use crate::archive::Archive;
use crate::copy::has_hash;
use crate::error::{Error, ErrorKind, Result};
use crate::store::Parts;
use aws_lc_rs::digest;
use bytes::Bytes;
use logstrata_engine::{Control, Engine, PartitionKey, Seq, Timestamp};
use std::time::Duration;

/// How often a piece is asked for again for which there was no memory, and after how long.
const TRIES: u32 = 60;
const PAUSE: Duration = Duration::from_millis(500);

/// The events of a partition that are to be exported.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) partition: PartitionKey,
    /// Behind this sequence number, up to this one.
    pub(super) after: Seq,
    pub(super) through: Seq,
}

/// A file that is being written.
struct Making {
    writer: Box<dyn ExportWriter>,
    /// What is not sent yet.
    out: Vec<u8>,
    bytes: u64,
    events: u64,
    seqs: (u64, u64),
    times: (Timestamp, Timestamp),
}

/// How a file stands after a piece.
enum Filled {
    /// There are no more events.
    Done,
    /// The file has as much as it may.
    Full,
    More,
}

/// A file on its way to the store.
struct Sending {
    name: String,
    part: usize,
    blake3: blake3::Hasher,
    sha256: digest::Context,
    sent: u64,
    upload: Option<Parts>,
}

impl Archive {
    /// Writes the files of a class. `name` gives each its name, without the folder.
    pub(super) async fn export_class(
        &self,
        settings: &ExportSettings,
        folder: &str,
        since: u64,
        mut wanted: Wanted,
        mut name: impl FnMut() -> String,
    ) -> Result<Vec<DayFile>> {
        let mut files = Vec::new();
        loop {
            let (Some(making), filled) = self.fill(settings, &mut wanted, None).await? else {
                return Ok(files);
            };
            let name = name();
            let part = usize::try_from(self.store.part_bytes).unwrap_or(usize::MAX);
            let mut sending = Sending::new(format!("{folder}/{name}"), part);
            let begun = (making, filled);
            let sent = self.send_file(settings, &mut wanted, begun, &mut sending).await;
            let ((making, filled), (bytes, blake3, sha256)) = sending.finish(self, sent).await?;
            files.push(DayFile {
                name,
                class: wanted.partition.class.to_string(),
                since,
                events: making.events,
                bytes,
                blake3,
                sha256,
                seqs: making.seqs,
                times: (making.times.0.to_string(), making.times.1.to_string()),
            });
            if matches!(filled, Filled::Done) {
                return Ok(files);
            }
        }
    }

    /// Sends a file that has its first events, up to its end.
    async fn send_file(
        &self,
        settings: &ExportSettings,
        wanted: &mut Wanted,
        (mut making, mut filled): (Making, Filled),
        sending: &mut Sending,
    ) -> Result<(Making, Filled)> {
        loop {
            sending.send(self, &mut making.out, false).await?;
            if !matches!(filled, Filled::More) {
                break;
            }
            let next = self.fill(settings, wanted, Some(making)).await?;
            (making, filled) = (next.0.expect("the same file"), next.1);
        }
        making.writer.end(&mut making.out).map_err(unwritten)?;
        sending.send(self, &mut making.out, true).await?;
        Ok((making, filled))
    }

    /// Adds the next events to a file, which begins with the first of them.
    async fn fill(
        &self,
        settings: &ExportSettings,
        wanted: &mut Wanted,
        mut making: Option<Making>,
    ) -> Result<(Option<Making>, Filled)> {
        for _ in 0..TRIES {
            let (asked, limits) = (wanted.clone(), settings.clone());
            let filled = self.ask(move |engine| fill(engine, &limits, asked, making)).await?;
            match filled {
                Ok((filled, through, going_on)) => {
                    wanted.after = through;
                    return Ok((filled, going_on));
                }
                Err(Unfilled::Busy(untouched)) => {
                    making = untouched;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(Unfilled::Failed(error)) => return Err(error),
            }
        }
        Err(Error::new(ErrorKind::Engine, "there is no memory to read events for an export"))
    }
}

/// Why a file has no more events than before.
enum Unfilled {
    /// There was no memory. The file as it was.
    Busy(Option<Making>),
    Failed(Error),
}

fn fill(
    engine: &Engine,
    settings: &ExportSettings,
    wanted: Wanted,
    mut making: Option<Making>,
) -> Result<(Option<Making>, Seq, Filled), Unfilled> {
    let Wanted { partition, mut after, through } = wanted;
    let control = Control::default();
    let piece = match engine.sealed_events(&partition, (after, through), &control) {
        Ok(piece) => piece,
        Err(error) if error.kind() == logstrata_engine::ErrorKind::Busy => {
            return Err(Unfilled::Busy(making));
        }
        Err(error) => return Err(Unfilled::Failed(error.into())),
    };
    if piece.events.is_empty() && piece.has_more {
        // Nothing would tell this from the end.
        return Err(Unfilled::Busy(making));
    }
    let failed = |error| Unfilled::Failed(unwritten(error));
    for event in &piece.events {
        let seq = event.id.seq();
        let file = match &mut making {
            Some(file) => file,
            None => making.insert(Making {
                writer: settings.format.begin().map_err(failed)?,
                out: Vec::new(),
                bytes: 0,
                events: 0,
                seqs: (seq.0, seq.0),
                times: (event.timestamp, event.timestamp),
            }),
        };
        let before = file.out.len();
        file.writer.event(event, &mut file.out).map_err(failed)?;
        file.bytes += (file.out.len() - before) as u64;
        file.events += 1;
        file.seqs.1 = seq.0;
        file.times.0 = file.times.0.min(event.timestamp);
        file.times.1 = file.times.1.max(event.timestamp);
        after = seq;
        if file.bytes >= settings.file_bytes_max || file.events >= settings.file_events_max {
            // The rest of the piece is read again: whether there is any is not known before.
            return Ok((making, after, Filled::Full));
        }
    }
    let filled = if piece.has_more { Filled::More } else { Filled::Done };
    Ok((making, after, filled))
}

impl Sending {
    fn new(name: String, part: usize) -> Self {
        Self {
            name,
            part,
            blake3: blake3::Hasher::new(),
            sha256: digest::Context::new(&digest::SHA256),
            sent: 0,
            upload: None,
        }
    }

    /// Sends what fills parts, or all if it is the end.
    async fn send(&mut self, archive: &Archive, out: &mut Vec<u8>, is_end: bool) -> Result<()> {
        while out.len() > self.part {
            let rest = out.split_off(self.part);
            let part = std::mem::replace(out, rest);
            self.send_part(archive, part).await?;
        }
        match (is_end, &self.upload) {
            (false, _) => Ok(()),
            (true, Some(_)) => self.send_part(archive, std::mem::take(out)).await,
            (true, None) => {
                let all = std::mem::take(out);
                self.hash(&all);
                archive.store.overwrite(&self.name, all.into()).await
            }
        }
    }

    async fn send_part(&mut self, archive: &Archive, part: Vec<u8>) -> Result<()> {
        self.hash(&part);
        if self.upload.is_none() {
            self.upload = Some(archive.store.begin(&self.name).await?);
        }
        let upload = self.upload.as_mut().expect("begun above");
        upload.put(Bytes::from(part)).await
    }

    fn hash(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        self.sha256.update(bytes);
        self.sent += bytes.len() as u64;
    }

    /// Makes the object, and looks whether it is what was sent. Returns its length and its hashes.
    async fn finish<T>(
        self,
        archive: &Archive,
        sent: Result<T>,
    ) -> Result<(T, (u64, String, String))> {
        let Self { name, blake3, sha256, sent: bytes, upload, .. } = self;
        let sent = match (sent, upload) {
            (Ok(sent), None) => sent,
            (Ok(sent), Some(upload)) => {
                upload.complete().await?;
                sent
            }
            (Err(error), None) => return Err(error),
            (Err(error), Some(upload)) => {
                upload.abort().await;
                return Err(error);
            }
        };
        let hash = blake3.finalize();
        if archive.store.read_back && !has_hash(&archive.store, &name, hash.as_bytes()).await? {
            return Err(Error::corrupt(format!(
                "{name} in {} was written and has other bytes now",
                archive.store.shown()
            )));
        }
        let sha256: String =
            sha256.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Ok((sent, (bytes, hash.to_hex().to_string(), sha256)))
    }
}

fn unwritten(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Engine, format!("an export's file can't be written: {error}"))
}
