//! What a query did, as answers tell it.

use logstrata_client::wire::{
    Plan, PlanOperator, PlanPass, PlanPhase, PlanPruned, PlanRead, PlanTier, ResolvedRange,
};
use logstrata_engine::{Control, OperatorPlan, PassPlan, QueryPlan, TierPlan};
use std::time::Duration;

/// What the engine tells, as the answer has it.
pub(super) fn plan_of(control: &Control, plan: QueryPlan) -> Plan {
    let (from, to) = plan.range;
    Plan {
        query: plan.query,
        stages: plan.stages,
        range: ResolvedRange {
            from: from.map(|point| point.to_string()),
            to: to.map(|point| point.to_string()),
        },
        passes: plan.passes.into_iter().map(pass_of).collect(),
        memory_bytes: control.account.memory_peak() as u64,
    }
}

fn pass_of(pass: PassPlan) -> PlanPass {
    let phase =
        |(name, took): (&str, Duration)| PlanPhase { name: name.to_owned(), took_ms: ms(took) };
    PlanPass {
        name: pass.name.to_owned(),
        tiers: pass.tiers.into_iter().map(tier_of).collect(),
        operators: pass.operators.into_iter().map(operator_of).collect(),
        phases: pass.phases.into_iter().map(phase).collect(),
    }
}

fn tier_of(tier: TierPlan) -> PlanTier {
    PlanTier {
        name: tier.name.to_owned(),
        files: tier.files,
        files_pruned: tier.files_pruned,
        blocks: tier.blocks,
        rows: tier.rows,
        pruned: PlanPruned {
            time: tier.pruned_by_time,
            level: tier.pruned_by_level,
            index: tier.pruned_by_index,
        },
        answered_by_header: tier.answered_by_header,
        read: PlanRead { blocks: tier.read, rows: tier.rows_read, bytes: tier.bytes_read },
        not_looked_at: tier.not_looked_at,
    }
}

fn operator_of(operator: OperatorPlan) -> PlanOperator {
    let OperatorPlan { name, rows_in, rows_out, took } = operator;
    PlanOperator { name, rows_in, rows_out, took_ms: ms(took) }
}

/// Milliseconds with three digits behind the point.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
