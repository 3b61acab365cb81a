//! Whose turn it is: the book-keeping of [`super::Scans`], which holds it under one lock.

use super::batch::Batch;
use parking_lot::Condvar;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// A query that has run for less than this is young.
const YOUNG: Duration = Duration::from_millis(10);

/// Queries and their turns.
#[derive(Debug)]
pub(super) struct Schedule {
    slots: usize,
    /// Turns beyond the slots, for young queries: they need not wait for the item that a long one
    /// is at. The system shares the cores meanwhile.
    express: usize,
    pub(super) running: usize,
    /// Helper threads without an order.
    pub(super) idle: usize,
    /// What helper threads are to do.
    pub(super) orders: VecDeque<Order>,
    pub(super) closing: bool,
    /// Who had a turn is last.
    tenants: VecDeque<Tenant>,
    next_id: u64,
    /// Turns given, for tests of their order.
    #[cfg(test)]
    pub(super) given: Vec<u64>,
}

#[derive(Debug)]
struct Tenant {
    name: Arc<str>,
    queries: VecDeque<Query>,
}

/// A query that has begun and not ended.
#[derive(Debug)]
struct Query {
    id: u64,
    /// Its turns now, and those of them that helpers have.
    running: usize,
    helpers: usize,
    /// The time of its turns that have ended.
    used: Duration,
    /// Its own thread waits for a turn.
    waiting: bool,
    /// What helpers may do for it.
    batch: Option<Arc<Batch>>,
    bell: Arc<Condvar>,
}

/// A turn for a helper thread.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) query: u64,
    pub(super) batch: Arc<Batch>,
}

impl Schedule {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots,
            express: (slots / 2).max(1),
            running: 0,
            idle: 0,
            orders: VecDeque::new(),
            closing: false,
            tenants: VecDeque::new(),
            next_id: 0,
            #[cfg(test)]
            given: Vec::new(),
        }
    }

    /// Takes in a query.
    pub(super) fn enter(&mut self, tenant: &Arc<str>, bell: &Arc<Condvar>) -> u64 {
        self.next_id += 1;
        let query = Query {
            id: self.next_id,
            running: 0,
            helpers: 0,
            used: Duration::ZERO,
            waiting: false,
            batch: None,
            bell: Arc::clone(bell),
        };
        match self.tenants.iter_mut().find(|known| known.name == *tenant) {
            Some(tenant) => tenant.queries.push_back(query),
            None => {
                let name = Arc::clone(tenant);
                self.tenants.push_back(Tenant { name, queries: [query].into() });
            }
        }
        self.next_id
    }

    /// Forgets a query.
    pub(super) fn leave(&mut self, id: u64) {
        for tenant in &mut self.tenants {
            tenant.queries.retain(|query| query.id != id);
        }
        self.tenants.retain(|tenant| !tenant.queries.is_empty());
    }

    fn query(&mut self, id: u64) -> Option<&mut Query> {
        self.tenants.iter_mut().flat_map(|tenant| &mut tenant.queries).find(|query| query.id == id)
    }

    /// The query's own thread wants a turn. It has one when [`Schedule::is_waiting`] is `false`.
    pub(super) fn want(&mut self, id: u64) {
        self.query(id).expect("a query that asks has begun").waiting = true;
    }

    pub(super) fn is_waiting(&mut self, id: u64) -> bool {
        self.query(id).is_some_and(|query| query.waiting)
    }

    /// A turn has ended; the query may be gone meanwhile.
    pub(super) fn end_turn(&mut self, id: u64, took: Duration, by_helper: bool) {
        self.running -= 1;
        let Some(query) = self.query(id) else { return };
        query.running -= 1;
        query.used += took;
        if by_helper {
            query.helpers -= 1;
            if query.helpers == 0 {
                query.bell.notify_one();
            }
        }
    }

    /// Who has a turn waits for the archive, and another may have it meanwhile.
    pub(super) fn pause_turn(&mut self) {
        self.running -= 1;
    }

    /// It goes on, although there may be no slot for it.
    pub(super) fn resume_turn(&mut self) {
        self.running += 1;
    }

    /// Sets or withdraws what helpers may do for a query.
    pub(super) fn offer(&mut self, id: u64, batch: Option<Arc<Batch>>) {
        self.query(id).expect("a query that offers has begun").batch = batch;
    }

    pub(super) fn has_helpers(&mut self, id: u64) -> bool {
        self.query(id).is_some_and(|query| query.helpers > 0)
    }

    /// Gives out turns while there is room. Returns the number of new orders for helpers.
    pub(super) fn dispatch(&mut self) -> usize {
        let before = self.orders.len();
        while let Some((tenant, query)) = self.next() {
            self.give(tenant, query);
        }
        self.orders.len() - before
    }

    /// Whether somebody waits for a turn.
    pub(super) fn is_pressed(&self) -> bool {
        self.tenants.iter().flat_map(|tenant| &tenant.queries).any(|query| self.wants(query))
    }

    fn wants(&self, query: &Query) -> bool {
        query.waiting || self.idle > 0 && query.batch.as_ref().is_some_and(|b| b.has_items())
    }

    fn has_room_for(&self, query: &Query) -> bool {
        let express = match query.waiting && query.used < YOUNG {
            true => self.express,
            false => 0,
        };
        self.running < self.slots + express
    }

    /// The tenant and the query whose turn it is. While another one waits, a query has at most
    /// half of the slots.
    fn next(&self) -> Option<(usize, usize)> {
        let fair_share = (self.slots / 2).max(1);
        let mut greedy = None;
        for (tenant_at, tenant) in self.tenants.iter().enumerate() {
            for (query_at, query) in tenant.queries.iter().enumerate() {
                if self.wants(query) && self.has_room_for(query) {
                    if query.running < fair_share {
                        return Some((tenant_at, query_at));
                    }
                    greedy.get_or_insert((tenant_at, query_at));
                }
            }
        }
        greedy
    }

    fn give(&mut self, tenant: usize, query: usize) {
        let mut tenant = self.tenants.remove(tenant).expect("it was just found");
        let mut query = tenant.queries.remove(query).expect("it was just found");
        self.running += 1;
        query.running += 1;
        #[cfg(test)]
        self.given.push(query.id);
        if query.waiting {
            query.waiting = false;
            query.bell.notify_one();
        } else {
            let batch = query.batch.clone().expect("it wants a helper");
            query.helpers += 1;
            self.idle -= 1;
            self.orders.push_back(Order { query: query.id, batch });
        }
        tenant.queries.push_back(query);
        self.tenants.push_back(tenant);
    }
}
