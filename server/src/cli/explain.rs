//! What a query does, for people: `--explain` of `search` and `stats`.

use super::output::push_clean;
use logstrata_client::wire::{Plan, PlanOperator, PlanPass, PlanTier};
use std::fmt::Write as _;

/// The plan as a text, or as one line of JSON.
pub(super) fn shown(plan: &Plan, json: bool) -> String {
    if json {
        return serde_json::to_string(plan).expect("plain values serialize") + "\n";
    }
    let mut out = String::new();
    push(&mut out, "query", &plan.query);
    plan.stages.iter().for_each(|stage| push(&mut out, "  |", stage));
    let end = |end: &Option<String>| end.clone().unwrap_or_else(|| "*".into());
    push(&mut out, "range", &format!("{} to {}", end(&plan.range.from), end(&plan.range.to)));
    push(&mut out, "memory", &format!("{} KiB", plan.memory_bytes.div_ceil(1 << 10)));
    plan.passes.iter().for_each(|pass| push_pass(&mut out, pass));
    out
}

fn push(out: &mut String, name: &str, text: &str) {
    write!(out, "{name:<7}").expect("a string takes everything");
    push_clean(out, text, false);
    out.push('\n');
}

fn push_pass(out: &mut String, pass: &PlanPass) {
    let phases: Vec<String> =
        pass.phases.iter().map(|phase| format!("{} {} ms", phase.name, phase.took_ms)).collect();
    push(out, "\npass", &format!("{}: {}", pass.name, phases.join(", ")));
    let header = [
        "",
        "files",
        "blocks",
        "rows",
        "- time",
        "- level",
        "- index",
        "- unseen",
        "by header",
        "read",
        "rows read",
        "KiB read",
    ]
    .map(str::to_owned);
    let tiers = pass.tiers.iter().map(cells_of_tier);
    push_table(out, &std::iter::once(header).chain(tiers).collect::<Vec<_>>());
    let header = ["operator", "rows in", "rows out", "ms"].map(str::to_owned);
    let operators = pass.operators.iter().map(cells_of_operator);
    push_table(out, &std::iter::once(header).chain(operators).collect::<Vec<_>>());
}

fn cells_of_tier(tier: &PlanTier) -> [String; 12] {
    let (pruned, read) = (tier.pruned, tier.read);
    let files = match tier.files_pruned {
        0 => tier.files.to_string(),
        pruned => format!("{} - {pruned}", tier.files),
    };
    let [blocks, rows, time, level, index, unseen, header, opened, rows_read, kib] = [
        tier.blocks,
        tier.rows,
        pruned.time,
        pruned.level,
        pruned.index,
        tier.not_looked_at,
        tier.answered_by_header,
        read.blocks,
        read.rows,
        read.bytes.div_ceil(1 << 10),
    ]
    .map(|count| count.to_string());
    let name = tier.name.clone();
    [name, files, blocks, rows, time, level, index, unseen, header, opened, rows_read, kib]
}

fn cells_of_operator(operator: &PlanOperator) -> [String; 4] {
    let rows_out = operator.rows_out.map_or_else(String::new, |rows| rows.to_string());
    let mut name = String::new();
    push_clean(&mut name, &operator.name, false);
    [name, operator.rows_in.to_string(), rows_out, operator.took_ms.to_string()]
}

/// Lines of cells, the first of each to the left and the others to the right.
fn push_table<const N: usize>(out: &mut String, lines: &[[String; N]]) {
    if lines.len() < 2 {
        return;
    }
    let width = |place: usize| lines.iter().map(|line| line[place].chars().count()).max();
    let widths: Vec<usize> = (0..N).map(|place| width(place).unwrap_or(0)).collect();
    for line in lines {
        for (place, cell) in line.iter().enumerate() {
            let width = widths[place];
            let written = match place {
                0 => write!(out, "  {cell:<width$}"),
                _ => write!(out, "  {cell:>width$}"),
            };
            written.expect("a string takes everything");
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use logstrata_client::wire::{PlanPhase, PlanPruned, PlanRead};

    #[test]
    fn a_plan_is_lines_of_columns() {
        let tier = PlanTier {
            name: "segment".into(),
            files: 3,
            files_pruned: 1,
            blocks: 40,
            rows: 300_000,
            pruned: PlanPruned { time: 10, level: 0, index: 28 },
            read: PlanRead { blocks: 2, rows: 16_384, bytes: 5_000 },
            ..PlanTier::default()
        };
        let operator = |name: &str, rows_out| PlanOperator {
            name: name.into(),
            rows_in: 512,
            rows_out,
            took_ms: 0.25,
        };
        let plan = Plan {
            query: "level:error\u{1b} AND x".into(),
            stages: vec!["limit 5".into()],
            passes: vec![PlanPass {
                name: "search".into(),
                tiers: vec![tier],
                operators: vec![operator("level:error", Some(7)), operator("fetch", None)],
                phases: vec![PlanPhase { name: "scan".into(), took_ms: 1.5 }],
            }],
            memory_bytes: 1_025,
            ..Plan::default()
        };
        let text = shown(&plan, false);
        for line in [
            "query  level:error\\u{1b} AND x\n",
            "  |    limit 5\n",
            "range  * to *\n",
            "memory 2 KiB\n",
            "search: scan 1.5 ms\n",
            "  segment  3 - 1      40  300000      10        0       28         0          0     2      16384         5\n",
            "  level:error      512         7  0.25\n",
            "  fetch            512            0.25\n",
        ] {
            assert!(text.contains(line), "{line:?} in\n{text}");
        }
        let again: Plan = serde_json::from_str(&shown(&plan, true)).expect("own encoding");
        assert_eq!(again, plan);
    }
}
