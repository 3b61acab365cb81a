//! What a query tells of itself: it adds up, and changes no answer.

use super::*;
use crate::query::ast::Filter;
use crate::query::{Answer, FacetsRequest, HistogramRequest, PatternsRequest, Scanned};
use crate::trace::{PassPlan, QueryPlan};

fn asked() -> Control {
    Control { explain: true, ..Control::default() }
}

/// Holds the parts of a plan against each other.
pub(super) fn check(plan: &QueryPlan) {
    assert!(!plan.passes.is_empty());
    for pass in &plan.passes {
        assert!(pass.tiers.len() > 1, "{pass:?}");
        assert_eq!(pass.tiers.iter().map(|tier| tier.rows).sum::<u64>(), EVENTS as u64);
        for tier in &pass.tiers {
            let pruned = tier.pruned_by_time + tier.pruned_by_level + tier.pruned_by_index;
            let done = pruned + tier.answered_by_header + tier.read + tier.not_looked_at;
            assert_eq!(done, tier.blocks, "T2: {tier:?}");
            assert_eq!(tier.files == 0, tier.name == "memtable");
            assert!(tier.rows_read <= tier.rows && tier.files_pruned <= tier.files, "{tier:?}");
            assert!(tier.read == 0 || tier.rows_read > 0);
        }
        assert!(!pass.phases.is_empty());
    }
}

fn read(plan: &QueryPlan) -> u64 {
    plan.passes.iter().flat_map(|pass| &pass.tiers).map(|tier| tier.read).sum()
}

fn operator(pass: &PassPlan, name: &str) -> Option<(u64, Option<u64>)> {
    let operator = pass.operators.iter().find(|operator| operator.name == name)?;
    Some((operator.rows_in, operator.rows_out))
}

/// What a query with stages answers, and what it took.
fn answered(engine: &Engine, text: &str, control: &Control) -> (String, Scanned) {
    match engine.query_with(&staged(text), control).unwrap() {
        Answer::Events { page, .. } => (format!("{:?}", page.events), page.scanned),
        Answer::Rows(rows) => (format!("{:?}", rows.rows), rows.scanned),
    }
}

#[test]
fn a_plan_adds_up_and_changes_no_answer() {
    for scans_max in [1, 3] {
        let engine = scattered(&MemoryStorage::new(), scans_max);
        for text in [
            "",
            "level:error number",
            "service:pay OR \"number 77\"",
            "NOT level:info",
            "came | limit 3",
            "nothing_like_this",
            "| extract \"number <n:int> came\" | where n:>100 | sort -n | limit 5",
            "| stats count() by level",
            "| stats count(), max(x) by service, bin(5s)",
            "| top 3 service | where count:>1",
        ] {
            let without = Control::default();
            let (plain, _) = answered(&engine, text, &without);
            assert_eq!(without.account.plan(), None, "nobody asked");
            let control = asked();
            // Files are merged meanwhile: what a plan tells is of its own snapshot.
            let (explained, scanned) = answered(&engine, text, &control);
            assert_eq!(explained, plain, "{text}");
            let plan = control.account.plan().expect("was asked for");
            check(&plan);
            assert_eq!(plan.passes.len(), 1);
            if scans_max == 1 {
                assert_eq!(read(&plan), scanned.blocks, "{text}");
            }
        }
    }
}

#[test]
fn a_plan_tells_what_ruled_out_what_and_what_ran() {
    let engine = scattered(&MemoryStorage::new(), 1);
    let plan_of = |text: &str| {
        let control = asked();
        answered(&engine, text, &control);
        control.account.plan().expect("was asked for")
    };
    let plan = plan_of("level:error \"number 77\" | extract \"number <n:int>\" | where n:77");
    assert_eq!(plan.query, "level:error AND \"number 77\"");
    assert_eq!(plan.stages, ["extract \"number <n:int>\"", "where n:77"]);
    let pass = &plan.passes[0];
    let sum = |count: fn(&crate::trace::TierPlan) -> u64| pass.tiers.iter().map(count).sum::<u64>();
    assert!(
        sum(|tier| tier.pruned_by_index) > 0 && sum(|tier| tier.pruned_by_level) > 0,
        "{pass:?}"
    );
    let (rows_in, rows_out) = operator(pass, "\"number 77\"").expect("has run");
    assert!(rows_in >= 1 && rows_out == Some(1), "{pass:?}");
    assert_eq!(operator(pass, "where n:77"), Some((1, Some(1))));
    assert_eq!(operator(pass, "fetch"), Some((1, None)));

    let plan = plan_of("| stats count() by level");
    let pass = &plan.passes[0];
    let by_header: u64 = pass.tiers.iter().map(|tier| tier.answered_by_header).sum();
    let (measured, _) = operator(pass, "count and measure").unwrap_or_default();
    assert!(by_header > 0 && measured < EVENTS as u64, "{pass:?}");

    // A page that is full leaves the rest alone.
    let request = SearchRequest { limit: 5, ..request("", 5) };
    let control = asked();
    engine.search_with(&request, &control).unwrap();
    let plan = control.account.plan().expect("was asked for");
    check(&plan);
    assert!(plan.passes[0].tiers.iter().map(|tier| tier.not_looked_at).sum::<u64>() > 5);
}

#[test]
fn each_pass_of_a_query_is_told() {
    let engine = scattered(&MemoryStorage::new(), 1);
    let names = |control: &Control| {
        let plan = control.account.plan().expect("was asked for");
        check(&plan);
        plan.passes.iter().map(|pass| pass.name).collect::<Vec<_>>()
    };
    let control = asked();
    let histogram = HistogramRequest {
        filter: Filter::All,
        steps: Vec::new(),
        range: TimeRange::default(),
        interval: None,
        buckets: 10,
    };
    engine.histogram_with(&histogram, &control).unwrap();
    assert_eq!(names(&control), ["search", "search", "table"]);
    assert_eq!(control.account.plan().map(|plan| plan.stages), Some(vec!["histogram".to_owned()]));
    let control = asked();
    let facets = FacetsRequest { values: 5, ..FacetsRequest::default() };
    engine.facets_with(&facets, &control).unwrap();
    assert_eq!(names(&control), ["facets"]);
    let control = asked();
    let patterns = PatternsRequest { limit: 5, ..PatternsRequest::default() };
    engine.patterns_with(&patterns, &control).unwrap();
    assert_eq!(names(&control), ["patterns"]);
}
