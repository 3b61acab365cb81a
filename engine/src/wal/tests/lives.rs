//! Lives of a log that end anywhere, on disks that fail.

use super::*;

#[derive(Debug, Clone)]
enum Op {
    Append(Vec<(usize, usize)>),
    Empty,
    Cut,
    Retire,
    Refill,
    Reopen,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let group = prop::collection::vec((1usize..4, 10usize..12_000), 1..4);
    let op = prop_oneof![
        8 => group.prop_map(Op::Append),
        1 => Just(Op::Empty),
        1 => Just(Op::Cut),
        1 => Just(Op::Retire),
        1 => Just(Op::Refill),
        1 => Just(Op::Reopen),
    ];
    prop::collection::vec(op, 1..25)
}

fn run(model: &mut Model, ops: &[Op], seed: u64) -> Result<()> {
    model.open()?;
    for (number, op) in ops.iter().enumerate() {
        run_one(model, op, seed ^ ((number as u64) << 8))?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_crash_of_any_life_keeps_a_prefix_with_all_that_was_acknowledged(
        ops in ops(),
        step in 0u64..160,
        seed: u64,
        one_in in 2u64..8,
    ) {
        let disk = MemoryStorage::new();
        let faulty = FaultyStorage::new(disk.clone());
        faulty.fail(step, Fault::Halt);
        let mut model = Model::new(faulty.clone());
        let result = run(&mut model, &ops, seed);
        prop_assert_eq!(result.is_err(), faulty.halted(), "{:?}", result);
        model.check(&disk.crash(coin(seed, one_in)), seed >> 1);
        model.check(&disk, seed >> 1);
    }

    #[test]
    fn any_failing_operation_of_any_life_refuses_or_closes(
        ops in ops(),
        step in 0u64..160,
        seed: u64,
    ) {
        let disk = MemoryStorage::new();
        let faulty = FaultyStorage::new(disk.clone());
        let mut model = Model::new(faulty.clone());
        model.open().unwrap();
        faulty.fail(step, Fault::Error(std::io::ErrorKind::StorageFull));
        // An operation that fails is given up; those behind it go on.
        for op in &ops {
            match run_one(&mut model, op, seed) {
                Ok(()) => {}
                // A log that was half opened again is not used any more.
                Err(_) if matches!(op, Op::Reopen) => break,
                Err(error) => prop_assert!(error.kind() != ErrorKind::Corrupt, "{}", error),
            }
        }
        model.check(&disk.crash(coin(seed, 3)), seed >> 1);
        model.check(&disk, seed >> 1);
    }
}

/// Found by the property above.
#[test]
fn a_file_whose_sync_failed_does_not_wait_for_the_next_life() {
    let disk = MemoryStorage::new();
    let faulty = FaultyStorage::new(disk.clone());
    let mut model = Model::new(faulty.clone());
    model.open().unwrap();
    model.append(vec![batch(1, 1, 20_000)]).unwrap();
    faulty.inject(Rule {
        op: Some(IoOp::Sync),
        place: Place::Part("free-".into()),
        skip: 0,
        times: 1,
        fault: Fault::Error(std::io::ErrorKind::StorageFull),
    });
    let error = model.append(vec![batch(2, 1, 25_000)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed, "{error}");
    model.check(&disk, 1);
}

fn run_one(model: &mut Model, op: &Op, seed: u64) -> Result<()> {
    match op {
        Op::Append(sizes) => {
            let each = sizes.iter().enumerate();
            let batches = each.map(|(i, (events, bytes))| batch(seed ^ i as u64, *events, *bytes));
            model.append(batches.collect())
        }
        Op::Empty => model.wal().append_empty_group(),
        Op::Cut => model.cut(),
        Op::Retire => match model.wal().generation() - 1 {
            0 => Ok(()),
            ended => model.retire(ended),
        },
        Op::Refill => model.wal().spares().clone().refill(),
        Op::Reopen => model.open(),
    }
}
