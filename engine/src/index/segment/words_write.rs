//! Writes the dictionary of words as tantivy's files.
//!
//! The words come sorted, each with its frames, so that tantivy's serializer gets them straight: its
//! writer would look each word of each frame up in a table of its own. All other files are those that
//! its writer makes of as many documents without words.

use super::format::FRAMES_PER_BLOCK;
use super::hits::FrameMask;
use super::vocabulary::Vocabulary;
use super::words::{FIELD, META, guarded, name_of};
use crate::error::Result;
use std::path::Path;
use tantivy::directory::{Directory, RamDirectory};
use tantivy::index::SegmentComponent;
use tantivy::postings::InvertedIndexSerializer;
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::tokenizer::{RawTokenizer, TokenizerManager};
use tantivy::{Index, IndexSettings, Segment, SingleSegmentIndexWriter, TantivyDocument};

/// What tantivy reserves for its table of terms, into which nothing comes.
const WRITER_BYTES: usize = 1 << 20;
/// What tantivy's serializer takes beside its output.
const SERIALIZER_BYTES: usize = 4 << 20;
/// Stands for the segment's id, which tantivy makes up, in names and contents.
const SEGMENT_ID: &str = "00000000-0000-0000-0000-000000000000";
/// The files that tantivy opens, most of them empty but for their frame.
const COMPONENTS: [SegmentComponent; 6] = [
    SegmentComponent::Terms,
    SegmentComponent::Postings,
    SegmentComponent::Positions,
    SegmentComponent::FastFields,
    SegmentComponent::FieldNorms,
    SegmentComponent::Store,
];
/// Those of them that have the words.
const WORD_FILES: [SegmentComponent; 3] =
    [SegmentComponent::Terms, SegmentComponent::Postings, SegmentComponent::Positions];

/// The blocks that have a word, rising, and the frames of each.
pub(super) type Postings<'a> = &'a [(u16, FrameMask)];

/// A file of tantivy by its name without the segment's id.
type File = (String, Vec<u8>);

/// The bytes of words that take `memory` while they are written.
pub(super) fn memory_to_write(memory: usize) -> usize {
    // The files are smaller than the words in memory; there are three copies of them at the end.
    memory * 2 + SERIALIZER_BYTES
}

/// The files of a dictionary of these words, in a section of so many frames.
///
/// # Errors
/// If tantivy fails; in memory it has no reason to.
pub(super) fn write(words: Vocabulary, frames: u32) -> Result<Vec<File>> {
    guarded(Path::new(FIELD), move || {
        let (schema, field) = schema();
        let mut files = files_without_words(schema.clone(), frames)?;
        // tantivy's writer begins no field for which nothing came.
        if words.pairs() == 0 {
            return Ok(files);
        }
        for (name, bytes) in files_of_words(schema, field, words)? {
            let place = files.iter_mut().find(|file| file.0 == name);
            place.expect("a segment has these files").1 = bytes;
        }
        Ok(files)
    })
}

/// One field of words without positions, frequencies and norms.
fn schema() -> (Schema, Field) {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer(FIELD)
        .set_index_option(IndexRecordOption::Basic)
        .set_fieldnorms(false);
    let options = TextOptions::default().set_indexing_options(indexing);
    let field = schema.add_text_field(FIELD, options);
    (schema.build(), field)
}

/// What tantivy's writer makes of documents without words.
fn files_without_words(schema: Schema, frames: u32) -> tantivy::Result<Vec<File>> {
    let settings =
        IndexSettings { docstore_compress_dedicated_thread: false, ..Default::default() };
    let tokenizers = TokenizerManager::new();
    // It is asked for, and never called.
    tokenizers.register(FIELD, RawTokenizer::default());
    let directory = RamDirectory::create();
    let mut writer: SingleSegmentIndexWriter = Index::builder()
        .schema(schema)
        .settings(settings)
        .tokenizers(tokenizers)
        .single_segment_index_writer(directory.clone(), WRITER_BYTES)?;
    for _ in 0..frames {
        writer.add_document(TantivyDocument::default())?;
    }
    let index = writer.finalize()?;
    let mut files = Vec::new();
    for segment in index.searchable_segments()? {
        let meta = directory.atomic_read(Path::new(META))?;
        let id = segment.id().uuid_string();
        let [a, b, c, d, e] = [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &id[part]);
        let id = format!("{a}-{b}-{c}-{d}-{e}");
        let meta = String::from_utf8_lossy(&meta).replace(&id, SEGMENT_ID);
        files.push((META.to_owned(), meta.into_bytes()));
        files.extend(read(&directory, &segment, COMPONENTS)?);
    }
    Ok(files)
}

/// The files that have the words, as tantivy's writer would make them.
fn files_of_words(schema: Schema, field: Field, words: Vocabulary) -> tantivy::Result<Vec<File>> {
    let directory = RamDirectory::create();
    let index = Index::create(directory.clone(), schema, IndexSettings::default())?;
    let segment = index.new_segment();
    let mut serializer = InvertedIndexSerializer::open(&segment)?;
    let mut terms = serializer.new_field(field, words.pairs(), None)?;
    words.for_each(|key, postings| {
        terms.new_term_without_freq(key)?;
        for (block, mask) in postings {
            let first = u32::from(*block) * FRAMES_PER_BLOCK as u32;
            let frames = (0..FrameMask::BITS).filter(|frame| mask >> frame & 1 == 1);
            frames.for_each(|frame| terms.write_doc(first + frame, 1, &[]));
        }
        terms.close_term()
    })?;
    terms.close()?;
    serializer.close()?;
    read(&directory, &segment, WORD_FILES)
}

fn read(
    directory: &RamDirectory,
    segment: &Segment,
    components: impl IntoIterator<Item = SegmentComponent>,
) -> tantivy::Result<Vec<File>> {
    let file = |component| {
        let path = segment.relative_path(component);
        let bytes = directory.open_read(&path)?.read_bytes()?;
        Ok((name_of(&path).to_owned(), bytes.to_vec()))
    };
    components.into_iter().map(file).collect()
}
