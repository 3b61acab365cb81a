//! Replacements: what they may add and remove.

use super::*;

/// A store of one file with three sections of two partitions.
fn three_sections() -> (Manifest, Vec<SectionMeta>) {
    let mut manifest = open(&io(MemoryStorage::new(), 1)).unwrap();
    manifest.commit(add(manifest.state(), &[5, 6, 7])).unwrap();
    let sections = manifest.state().files[&FileId::LevelZero(1)].sections.clone();
    (manifest, sections)
}

#[test]
fn a_replacement_that_loses_or_doubles_events_is_refused() {
    let (manifest, sections) = three_sections();
    let check = |kept: &[usize], offsets: &[u64]| {
        let kept: Vec<Vec<&SectionMeta>> = kept.iter().map(|i| vec![&sections[*i]]).collect();
        let file = packed(1, kept.iter()).unwrap();
        let removed = vec![(FileId::LevelZero(1), offsets.to_vec())];
        manifest.state().check_edit(&Edit::Replace { added: vec![file], removed })
    };
    let at = |index: usize| sections[index].offset;
    assert_eq!(check(&[0, 1], &[at(1), at(0)]), Ok(()));
    assert!(check(&[0], &[at(0), at(1)]).unwrap_err().contains("other events"));
    assert!(check(&[0, 1], &[at(0)]).unwrap_err().contains("other events"));
    assert!(check(&[0, 0], &[at(0)]).unwrap_err().contains("other events"));
    assert!(check(&[0], &[at(0), at(0)]).unwrap_err().contains("sections"));
    assert!(check(&[0], &[7]).unwrap_err().contains("sections"));
}

#[test]
fn a_replacement_needs_new_numbers_and_live_files() {
    let (mut manifest, sections) = three_sections();
    let removed = |file, index: usize| vec![(file, vec![sections[index].offset])];
    let pack = |number, index: usize| packed(number, [vec![&sections[index]]].iter()).unwrap();
    let live = FileId::LevelZero(1);
    manifest.commit(Edit::Replace { added: vec![pack(3, 0)], removed: removed(live, 0) }).unwrap();
    assert_eq!(manifest.state().next_file, 4);
    for (edit, reason) in [
        (Edit::Replace { added: vec![pack(3, 1)], removed: removed(live, 1) }, "file 4 is next"),
        (
            Edit::Replace { added: vec![pack(4, 1)], removed: removed(FileId::Pack(9), 1) },
            "not live",
        ),
        (
            Edit::Replace {
                added: vec![FileMeta { id: FileId::LevelZero(9), ..pack(4, 1) }],
                removed: removed(live, 1),
            },
            "file 4 is next",
        ),
        (
            Edit::Replace {
                added: vec![pack(4, 1), pack(4, 2)],
                removed: [removed(live, 1), removed(live, 2)].concat(),
            },
            "file 5 is next",
        ),
        (
            Edit::Replace {
                added: vec![pack(4, 1), pack(5, 2)],
                removed: [removed(live, 1), removed(live, 2)].concat(),
            },
            "a file twice",
        ),
    ] {
        let error = manifest.state().check_edit(&edit).unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

/// A forged edit left no number for the next event: the first append overflowed.
#[test]
fn an_edit_leaves_numbers_for_all_events_to_come() {
    let io = io(MemoryStorage::new(), 1);
    let manifest = open(&io).unwrap();
    let most = (u64::MAX >> 1) - 1;
    for (rows, fits) in [(most, true), (most + 1, false), (u64::MAX - 1, false)] {
        let Edit::AddFile { mut file, clock_high_water } = add(manifest.state(), &[1]) else {
            unreachable!("it adds")
        };
        file.seqs.end = 1 + rows;
        let section = &mut file.sections[0];
        (section.rows, section.max_seq) = (rows, rows);
        (section.runs[0].rows, section.runs[0].seqs.end) = (rows, 1 + rows);
        let edit = Edit::AddFile { file, clock_high_water };
        assert_eq!(manifest.accepts(&edit).is_ok(), fits, "{rows}");
    }
    let mut state = manifest.state().clone();
    state.next_seq = u64::MAX;
    assert!(state.check().is_err());
}
