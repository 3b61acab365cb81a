//! The order of events on a page, as numbers.

use super::Order;
use crate::event::Seq;
use crate::timestamp::Timestamp;

/// The place of an event in the order asked for: the greater, the earlier on the page. No two events have
/// the same.
pub(super) type Rank = (i64, u64);

/// The rank of an event.
pub(super) fn rank(order: Order, timestamp: i64, seq: u64) -> Rank {
    match order {
        Order::NewestFirst => (timestamp, seq),
        // The complement turns the order round without overflow.
        Order::OldestFirst => (!timestamp, !seq),
        Order::Arrival => (arrival_rank(seq), 0),
    }
}

/// The time and the number of which [`rank`] makes this.
pub(super) fn place_of(order: Order, rank: Rank) -> (Timestamp, Seq) {
    match order {
        Order::NewestFirst => (Timestamp(rank.0), Seq(rank.1)),
        Order::OldestFirst => (Timestamp(!rank.0), Seq(!rank.1)),
        Order::Arrival => (Timestamp(0), Seq(arrival_seq(rank.0))),
    }
}

/// Turned over, whole numbers compare as signed ones do.
const SIGN: u64 = 1 << 63;

/// The earlier an event arrived, the greater.
pub(super) fn arrival_rank(seq: u64) -> i64 {
    !(seq ^ SIGN).cast_signed()
}

/// The event of which [`arrival_rank`] makes this.
pub(super) fn arrival_seq(rank: i64) -> u64 {
    (!rank).cast_unsigned() ^ SIGN
}

/// The worst and the best rank that an event of these times and numbers can have. Of equal times the
/// numbers decide: without them every block of a burst would be looked at for each page of it.
pub(super) fn ranks(order: Order, times: (Timestamp, Timestamp), seqs: (u64, u64)) -> (Rank, Rank) {
    let (first, last) = (rank(order, times.0.0, seqs.0), rank(order, times.1.0, seqs.1));
    match order {
        Order::NewestFirst => (first, last),
        Order::OldestFirst | Order::Arrival => (last, first),
    }
}

/// The rank that comes before.
pub(super) fn before(rank: Rank) -> Rank {
    rank.1.checked_sub(1).map_or((rank.0.saturating_sub(1), u64::MAX), |second| (rank.0, second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_tells_its_place_and_comes_behind_the_one_before() {
        for (timestamp, seq) in [(0, 0), (-5, 1), (i64::MAX, u64::MAX - 1), (i64::MIN + 1, 7)] {
            for order in [Order::NewestFirst, Order::OldestFirst, Order::Arrival] {
                let rank = rank(order, timestamp, seq);
                let place = match order {
                    Order::Arrival => (Timestamp(0), Seq(seq)),
                    _ => (Timestamp(timestamp), Seq(seq)),
                };
                assert_eq!(place_of(order, rank), place, "{order:?}");
                assert!(before(rank) < rank, "{order:?} {timestamp} {seq}");
            }
        }
        assert_eq!(before((3, 0)), (2, u64::MAX));
        assert_eq!(before((3, 1)), (3, 0));
    }
}
