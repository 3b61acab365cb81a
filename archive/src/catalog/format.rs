//! The bytes of the catalog's objects, without I/O: `docs/format/catalog.md` maps them.

use super::bytes::{In, Out, Read};
use super::entry::{Edit, Entry, Gone, Image, Op, Piece, Section};
use super::state::State;
use crate::error::{Error, ErrorKind, Result};
use logstrata_engine::{ChainPlace, Day, PartitionKey, Timestamp};
use std::sync::Arc;

/// The first bytes of an object of the catalog.
const MAGIC: [u8; 8] = *b"LSCAT\0\0\0";
/// The version that this code writes.
const VERSION: u16 = 1;
const EDIT: u16 = 1;
const SNAPSHOT: u16 = 2;
/// Where the header's checksum is, and where the body begins.
const CRC_AT: usize = 84;
const HEADER_BYTES: usize = 88;
/// An object is refused above this, so that a foreign length can't make us allocate.
pub(crate) const OBJECT_BYTES_MAX: u64 = 1 << 28;

/// An object of the catalog's log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Object {
    pub(crate) number: u64,
    pub(crate) store: [u8; 16],
    /// BLAKE3 of the object before; zeros for the first.
    pub(crate) previous: [u8; 32],
    pub(crate) body: Body,
}

/// What an object says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    /// What changes.
    Edit(Edit),
    /// All there is: every 256th object, so that nobody has to read the log from its beginning.
    Snapshot(Box<State>),
}

impl Object {
    /// The object's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Out::default();
        let kind = match &self.body {
            Body::Edit(edit) => {
                push_edit(&mut body, edit);
                EDIT
            }
            Body::Snapshot(state) => {
                push_state(&mut body, state);
                SNAPSHOT
            }
        };
        let body = body.0;
        let mut out = Vec::with_capacity(HEADER_BYTES + body.len());
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend([0; 4]);
        out.extend(self.number.to_le_bytes());
        out.extend(self.store);
        out.extend(self.previous);
        out.extend((body.len() as u64).to_le_bytes());
        out.extend(crc32fast::hash(&body).to_le_bytes());
        debug_assert_eq!(out.len(), CRC_AT);
        let crc = crc32fast::hash(&out);
        out.extend(crc.to_le_bytes());
        out.extend(body);
        out
    }

    /// The object of these bytes, which were found at `place`.
    ///
    /// # Errors
    /// `Corrupt`; `Unsupported` for a later version, or a feature or kind that this code doesn't know.
    pub(crate) fn decode(bytes: &[u8], place: &str) -> Result<Self> {
        let wrong = |what: String| Error::corrupt(format!("{place} is damaged: expected {what}"));
        let (header, body) =
            bytes.split_at_checked(HEADER_BYTES).ok_or_else(|| wrong("a header".into()))?;
        let mut input = In(header);
        let magic = input.fixed::<8>().map_err(wrong)?;
        if magic != MAGIC {
            return Err(wrong("LSCAT".into()));
        }
        let (fields, crc) = header.split_at_checked(CRC_AT).unwrap_or_default();
        if crc32fast::hash(fields).to_le_bytes() != crc {
            return Err(wrong("another checksum of the header".into()));
        }
        let u16_of = |input: &mut In<'_>| input.fixed().map(u16::from_le_bytes).map_err(wrong);
        let (version, kind) = (u16_of(&mut input)?, u16_of(&mut input)?);
        let features = u32::from_le_bytes(input.fixed().map_err(wrong)?);
        if version != VERSION || features != 0 || ![EDIT, SNAPSHOT].contains(&kind) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{place} is of kind {kind}, version {version}, features {features:#x}; this \
                     program knows kinds 1 and 2 of version {VERSION} without features"
                ),
            ));
        }
        let number = u64::from_le_bytes(input.fixed().map_err(wrong)?);
        let store = input.fixed().map_err(wrong)?;
        let previous = input.fixed().map_err(wrong)?;
        let len = u64::from_le_bytes(input.fixed().map_err(wrong)?);
        let body_crc = u32::from_le_bytes(input.fixed().map_err(wrong)?);
        if len != body.len() as u64 || crc32fast::hash(body) != body_crc {
            return Err(wrong(format!("a body of {len} bytes with another checksum")));
        }
        let mut input = In(body);
        let body = match kind {
            EDIT => edit(&mut input).map(Body::Edit),
            _ => state(&mut input).map(|state| Body::Snapshot(Box::new(state))),
        };
        let body = body.and_then(|body| input.finish().map(|()| body)).map_err(wrong)?;
        Ok(Self { number, store, previous, body })
    }
}

fn push_edit(out: &mut Out, edit: &Edit) {
    out.fixed(&edit.writer);
    out.signed(edit.time.0);
    out.list(edit.ops.iter(), |out, op| {
        match op {
            Op::Claim => out.number(1),
            Op::Add(entry) => {
                out.number(2);
                push_entry(out, entry);
            }
            Op::Remove(hash) => {
                out.number(3);
                out.fixed(hash);
            }
            Op::Doom(hash) => {
                out.number(4);
                out.fixed(hash);
            }
            Op::Deleted(hash) => {
                out.number(5);
                out.fixed(hash);
            }
            Op::Manifest { place, len, next_seq, piece } => {
                out.number(6);
                push_place(out, place);
                out.number(*len);
                out.number(*next_seq);
                push_piece(out, piece);
            }
            Op::Forget => out.number(7),
        };
    });
}

fn edit(input: &mut In<'_>) -> Read<Edit> {
    let (writer, time) = (input.fixed()?, Timestamp(input.signed()?));
    let ops = input.list(|input| {
        Ok(match input.number()? {
            1 => Op::Claim,
            2 => Op::Add(Arc::new(entry(input)?)),
            3 => Op::Remove(input.fixed()?),
            4 => Op::Doom(input.fixed()?),
            5 => Op::Deleted(input.fixed()?),
            6 => Op::Manifest {
                place: place(input)?,
                len: input.number()?,
                next_seq: input.number()?,
                piece: piece(input)?,
            },
            7 => Op::Forget,
            other => return Err(format!("a change of kinds 1 to 7, not {other}")),
        })
    })?;
    Ok(Edit { writer, time, ops })
}

fn push_state(out: &mut Out, state: &State) {
    out.fixed(&state.writer);
    out.signed(state.time.0);
    out.list(state.files.values(), |out, entry| push_entry(out, entry));
    out.list(state.removed.iter(), |out, (hash, gone)| {
        out.fixed(hash);
        out.signed(gone.at.0);
        out.number(gone.len);
    });
    out.list(state.doomed.iter(), |out, hash| out.fixed(hash));
    out.list(state.image.iter(), |out, image| {
        push_place(out, &image.place);
        out.number(image.len);
        out.number(image.next_seq);
        out.signed(image.at.0);
        out.list(image.pieces.iter(), |out, piece| push_piece(out, piece));
    });
}

fn state(input: &mut In<'_>) -> Read<State> {
    let mut state =
        State { writer: input.fixed()?, time: Timestamp(input.signed()?), ..State::default() };
    let rises = |last: Option<&[u8; 32]>, hash: &[u8; 32]| match last {
        Some(last) if last >= hash => Err("hashes that rise".to_owned()),
        _ => Ok(()),
    };
    for entry in input.list(entry)? {
        rises(state.files.last_key_value().map(|(hash, _)| hash), &entry.blake3)?;
        state.insert(Arc::new(entry))?;
    }
    let removed = input.list(|input| {
        let hash = input.fixed()?;
        Ok((hash, Gone { at: Timestamp(input.signed()?), len: input.number()? }))
    })?;
    for (hash, gone) in removed {
        rises(state.removed.last_key_value().map(|(hash, _)| hash), &hash)?;
        state.removed.insert(hash, gone);
    }
    for hash in input.list(In::fixed)? {
        rises(state.doomed.last(), &hash)?;
        state.doomed.insert(hash);
    }
    let images = input.list(|input| {
        Ok(Image {
            place: place(input)?,
            len: input.number()?,
            next_seq: input.number()?,
            at: Timestamp(input.signed()?),
            pieces: input.list(|input| piece(input).map(Arc::new))?,
        })
    })?;
    if images.len() > 1 {
        return Err("one manifest".to_owned());
    }
    state.image = images.into_iter().next();
    state.check()?;
    Ok(state)
}

fn push_place(out: &mut Out, place: &ChainPlace) {
    out.number(place.manifest);
    out.number(place.edit);
    out.fixed(&place.hash);
}

fn place(input: &mut In<'_>) -> Read<ChainPlace> {
    Ok(ChainPlace { manifest: input.number()?, edit: input.number()?, hash: input.fixed()? })
}

fn push_piece(out: &mut Out, piece: &Piece) {
    out.number(piece.offset);
    out.number(piece.len);
    out.bytes(&piece.packed);
}

fn piece(input: &mut In<'_>) -> Read<Piece> {
    Ok(Piece { offset: input.number()?, len: input.number()?, packed: input.bytes()?.into() })
}

fn push_entry(out: &mut Out, entry: &Entry) {
    out.bytes(entry.name.as_bytes());
    out.number(entry.len);
    out.fixed(&entry.blake3);
    out.signed(entry.created.0);
    out.signed(entry.copied.0);
    out.list(entry.sections.iter(), |out, section| {
        out.bytes(section.partition.tenant.as_bytes());
        out.bytes(section.partition.class.as_bytes());
        out.signed(i64::from(section.partition.day.0));
        out.number(section.offset);
        out.number(section.len);
        out.number(section.rows);
        out.signed(section.times.0.0);
        out.signed(section.times.1.0);
        out.number(section.seqs.0);
        out.number(section.seqs.1);
        out.number(u64::from(section.levels));
    });
}

fn entry(input: &mut In<'_>) -> Read<Entry> {
    Ok(Entry {
        name: input.text()?,
        len: input.number()?,
        blake3: input.fixed()?,
        created: Timestamp(input.signed()?),
        copied: Timestamp(input.signed()?),
        sections: input.list(section)?,
    })
}

fn section(input: &mut In<'_>) -> Read<Section> {
    let (tenant, class) = (input.text()?, input.text()?);
    let day = i32::try_from(input.signed()?).map_err(|_| "a day of 32 bits".to_owned())?;
    let partition = PartitionKey { tenant: tenant.into(), class: class.into(), day: Day(day) };
    Ok(Section {
        partition,
        offset: input.number()?,
        len: input.number()?,
        rows: input.number()?,
        times: (Timestamp(input.signed()?), Timestamp(input.signed()?)),
        seqs: (input.number()?, input.number()?),
        levels: u8::try_from(input.number()?).map_err(|_| "levels of 8 bits".to_owned())?,
    })
}
