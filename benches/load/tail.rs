//! How long after its acknowledgement an event is with whoever follows the log, at a steady rate.

use crate::Result;
use crate::report::Waits;
use crate::send::Body;
use logstrata_client::wire::TailQuery;
use logstrata_client::{Client, Told};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Events of a request.
pub(crate) const BATCH: usize = 500;
/// How long events are sent.
const TIME: Duration = Duration::from_secs(10);
/// How long the last of them are waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was measured.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// Events a second that were sent.
    pub(crate) rate: f64,
    /// From the acknowledgement of a request until its last event is there.
    pub(crate) waits: Waits,
    /// Events that were left out.
    pub(crate) missed: u64,
}

/// Sends events at a rate, however long the answers take, and follows them all.
pub(crate) async fn measure(client: &Client, bodies: &[Body], rate: u64) -> Result<Followed> {
    let mut tail = client.tail(&TailQuery::default()).await?;
    let arrived: Rc<RefCell<HashMap<String, Instant>>> = Rc::default();
    let missed = Rc::new(RefCell::new(0));
    let tasks = tokio::task::LocalSet::new();
    let (there, lost) = (Rc::clone(&arrived), Rc::clone(&missed));
    tasks.spawn_local(async move {
        while let Ok(Some(told)) = tail.next().await {
            match told {
                Told::Event(_) => {
                    let id = tail.last_id().unwrap_or_default().to_owned();
                    there.borrow_mut().insert(id, Instant::now());
                }
                Told::Missed(missed) => *lost.borrow_mut() += missed.count,
                Told::Warning(_) => {}
            }
        }
    });
    let pause = Duration::from_secs_f64(BATCH as f64 / rate as f64);
    let count = TIME.div_duration_f64(pause) as usize;
    let started = Instant::now();
    let acknowledged: Vec<(String, Instant)> = tasks
        .run_until(async {
            let mut senders = Vec::new();
            let mut ticks = tokio::time::interval(pause);
            for body in bodies.iter().cycle().take(count) {
                ticks.tick().await;
                let (client, body) = (client.clone(), body.clone());
                senders.push(tokio::task::spawn_local(async move {
                    let answer = client.ingest_ndjson(body.bytes).await?;
                    Ok::<_, logstrata_client::Error>((answer.last_id, Instant::now()))
                }));
            }
            let mut acknowledged = Vec::new();
            for sender in senders {
                let (id, at) = sender.await??;
                acknowledged.push((id.ok_or("nothing was accepted")?, at));
            }
            Ok::<_, Box<dyn std::error::Error>>(acknowledged)
        })
        .await?;
    let rate = (count * BATCH) as f64 / started.elapsed().as_secs_f64();
    let last = Instant::now() + PATIENCE;
    let is_here = |id: &String| arrived.borrow().contains_key(id);
    while Instant::now() < last && !acknowledged.iter().all(|(id, _)| is_here(id)) {
        tasks.run_until(tokio::time::sleep(Duration::from_millis(50))).await;
    }
    let mut waits = Waits::default();
    for (id, at) in &acknowledged {
        // What never came has waited for as long as it was waited for.
        let here = arrived.borrow().get(id).copied().unwrap_or(last);
        waits.add(here.saturating_duration_since(*at));
    }
    let missed = *missed.borrow();
    Ok(Followed { rate, waits, missed })
}
