//! Tables with more groups than there may be look at everything twice: what ends in between is told.

use super::*;
use crate::query::RowsAnswer;

const GROUPS_MAX: usize = 100;

fn crowded(scans_max: usize) -> Engine {
    scattered_with(&MemoryStorage::new(), |limits| {
        limits.scans_max = scans_max;
        limits.groups_max = GROUPS_MAX;
    })
}

fn table(engine: &Engine, control: &Control) -> Result<RowsAnswer> {
    let query = staged("| stats count() by message");
    engine.query_with(&query, control).map(|answer| match answer {
        Answer::Rows(rows) => rows,
        Answer::Events { .. } => panic!("a table"),
    })
}

fn events_of(rows: &RowsAnswer) -> usize {
    let count = |row: &Vec<crate::query::Cell>| {
        let (_, text) = row.last().unwrap().as_ref().unwrap();
        String::from_utf8(text.clone()).unwrap().parse::<usize>().unwrap()
    };
    rows.rows.iter().map(count).sum()
}

/// Groups that were weighed in a part of the events only would be counted too low.
#[test]
fn both_looks_are_whole_or_the_second_is_partial() {
    for scans_max in [1, 3] {
        let engine = crowded(scans_max);
        let whole = table(&engine, &Control::default()).unwrap();
        assert!(whole.other.is_some());
        assert_eq!((whole.rows.len(), events_of(&whole)), (GROUPS_MAX + 1, EVENTS));
        drop(whole);
        let (mut refused, mut partial, mut done) = (0, 0, 0);
        for seconds in 2..200 {
            let control = within(seconds, Tolerance::Limits);
            match table(&engine, &control) {
                Ok(rows) if control.account.is_whole() => {
                    assert_eq!(events_of(&rows), EVENTS);
                    done += 1;
                }
                Ok(rows) => {
                    assert_eq!(kinds(&control), [GapKind::Deadline]);
                    assert!(events_of(&rows) < EVENTS && rows.rows.len() <= GROUPS_MAX + 1);
                    partial += 1;
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Deadline, "{error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 3 && done > 3, "{refused} {partial} {done}");
        assert!(partial > 3 || scans_max > 1, "{refused} {partial} {done}");
        assert_eq!(engine.status().pool.queries, 0, "nothing is kept");
    }
}

#[test]
fn each_look_is_a_pass_of_the_plan() {
    let engine = crowded(1);
    let control = Control { explain: true, ..Control::default() };
    table(&engine, &control).unwrap();
    let plan = control.account.plan().expect("was asked for");
    explain::check(&plan);
    let names: Vec<_> = plan.passes.iter().map(|pass| pass.name).collect();
    assert_eq!(names, ["table", "table again"]);
    let read = |pass: &crate::trace::PassPlan| pass.tiers.iter().map(|tier| tier.rows_read).sum();
    let rows: Vec<u64> = plan.passes.iter().map(read).collect();
    assert_eq!(rows, [EVENTS as u64; 2]);
}
