//! One tail: reads what is behind its position when there is something, and tells it.
//!
//! - `T1` the position moves with what was given to the connection: a piece is read once the one before
//!   is on its way, so that a tail has one in memory, whatever its reader does.
//! - `T2` nothing is left out between the position that a tail began at and the first moment at which
//!   it had told everything; later only if its reader is slow, and then it is told.
//! - `T3` a tail ends with its connection, and at the server's end.
//! - `T4` it is never silent for longer than it may be, also while a piece is read or waits to be. What
//!   has a place among those that read goes on and gives it back whether it is polled or not.

use super::super::querying::Writing;
use crate::gate::{CancelsWhenDropped, Slot};
use crate::serve::State;
use crate::sse::{push_event, push_position, push_retry};
use crate::status::ApiError;
use crate::tails::TailPlace;
use bytes::Bytes;
use hyper::body::{Body, Frame};
use logstrata_client::wire::{ErrorKind, MISSED, Missed, TAIL_ERROR, TAIL_WARNING, Warned};
use logstrata_engine::query::TailQuery;
use logstrata_engine::{Cancel, Control, EventId, Seq, Timestamp};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

/// Pieces are at least this far apart once everything has been told: under load many groups become
/// visible meanwhile, and a piece costs a snapshot.
const PACE: Duration = Duration::from_millis(10);
/// A reader that let its tail wait for so long since it had everything is slow,
const SLOW_AFTER: Duration = Duration::from_secs(1);
/// if so many stored events are ahead of it.
const BEHIND_MAX: u64 = 10_000;
/// The pause before a piece that there was no memory for is read again.
const MEMORY_PAUSE: Duration = Duration::from_millis(100);
/// How long a reader should wait before it comes again.
const RETRY_MS: u32 = 1_000;

/// A tail, between two pieces.
pub(super) struct Follower {
    state: Arc<State>,
    query: Arc<TailQuery>,
    /// Everything up to here has been told.
    position: Seq,
    visible: watch::Receiver<Seq>,
    ending: watch::Receiver<bool>,
    /// Whether there was a moment at which everything had been told.
    is_live: bool,
    /// How long the reader has let this wait since the last such moment.
    waited: Duration,
    /// When the last piece was given to the connection.
    told: Instant,
    /// When the last piece was read.
    read: Instant,
    /// The piece that is being read.
    reading: Option<Reading>,
    is_over: bool,
    _place: TailPlace,
}

/// A piece as it is sent, and where it ends.
struct Piece {
    bytes: Bytes,
    events: u64,
    through: Seq,
    visible: Seq,
}

/// What became of a look at the log.
enum Read {
    Piece(Piece),
    /// So many events were left out, up to there.
    Skipped {
        count: u64,
        through: Seq,
    },
}

/// A look at the log that is on its way.
type Reading = Pin<Box<dyn Future<Output = Result<Read, ApiError>> + Send>>;

impl Follower {
    pub(super) fn new(
        state: Arc<State>,
        query: TailQuery,
        position: Seq,
        place: TailPlace,
    ) -> Self {
        let (mut visible, ending) = (state.tails.visible(), state.tails.ending());
        // What was stored before this began was told to nobody: it is looked at in any case.
        visible.mark_changed();
        let now = Instant::now();
        Self {
            state,
            query: Arc::new(query),
            position,
            visible,
            ending,
            is_live: false,
            waited: Duration::ZERO,
            told: now,
            read: now,
            reading: None,
            is_over: false,
            _place: place,
        }
    }

    /// The stream of what it tells.
    pub(super) fn into_body(mut self, warnings: &[String]) -> Following {
        let mut first = Vec::new();
        push_retry(&mut first, RETRY_MS);
        push_position(&mut first, self.id_of(self.position));
        for message in warnings {
            let warned = Warned { message: message.clone() };
            let data = serde_json::to_vec(&warned).expect("plain values always serialize");
            push_event(&mut first, Some(TAIL_WARNING), self.id_of(self.position), &data);
        }
        self.told = Instant::now();
        Following(Stage::Ready(Box::new(self), Some(first.into())))
    }

    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        self.waited += self.told.elapsed();
        let next = if self.is_over { None } else { self.wait_and_read().await };
        self.told = Instant::now();
        next
    }

    async fn wait_and_read(&mut self) -> Option<Bytes> {
        let silent_until = Instant::now() + self.state.tails.silence_max;
        loop {
            if *self.ending.borrow() {
                return None;
            }
            if Instant::now() >= silent_until {
                return Some(self.tell_position());
            }
            let read = match &mut self.reading {
                Some(reading) => tokio::select! {
                    read = reading => read,
                    _ = self.ending.changed() => continue,
                    () = sleep_until(silent_until) => continue,
                },
                None => match self.place_to_read(silent_until).await? {
                    None => continue,
                    Some(Ok(place)) => {
                        self.reading = Some(self.reading(place));
                        continue;
                    }
                    Some(Err(error)) => Err(error),
                },
            };
            self.reading = None;
            match read.map(|read| self.told_of(read)) {
                Ok(Some(bytes)) => return Some(bytes),
                Ok(None) => {}
                Err(error) if error.detail().kind == ErrorKind::Busy => {
                    self.visible.mark_changed();
                    sleep(MEMORY_PAUSE).await;
                }
                Err(error) => {
                    self.is_over = true;
                    return Some(self.tell_error(&error));
                }
            }
        }
    }

    /// A place among those that read, once there is something to be read. `None` at the end of the server,
    /// and within it where there is none yet at this moment, or the end has come.
    async fn place_to_read(&mut self, until: Instant) -> Option<Option<Result<Slot, ApiError>>> {
        tokio::select! {
            changed = self.visible.changed() => changed.ok()?,
            _ = self.ending.changed() => return Some(None),
            () = sleep_until(until) => return Some(None),
        }
        if self.is_live {
            sleep_until(self.read + PACE).await;
        }
        let place = tokio::select! {
            place = self.state.tails.reads.enter() => place,
            _ = self.ending.changed() => return Some(None),
            () = sleep_until(until) => {
                self.visible.mark_changed();
                return Some(None);
            }
        };
        self.visible.mark_unchanged();
        self.read = Instant::now();
        Some(Some(place))
    }

    /// Reads the next piece on a thread where it may wait, until nobody waits for it.
    fn reading(&self, place: Slot) -> Reading {
        let (state, query) = (Arc::clone(&self.state), Arc::clone(&self.query));
        let after = self.position;
        let may_skip = self.is_live && self.waited >= SLOW_AFTER;
        let cancels = CancelsWhenDropped(Cancel::default());
        let control = Control { cancel: cancels.0.clone(), ..Control::default() };
        let read = place.run(move || read(&state, &query, after, may_skip, &control));
        Box::pin(async move {
            let _cancels = cancels;
            read.await?
        })
    }

    /// Moves behind what was read. Returns what is told of it, if anything.
    fn told_of(&mut self, read: Read) -> Option<Bytes> {
        match read {
            Read::Piece(piece) => {
                self.position = piece.through;
                if piece.through < piece.visible {
                    self.visible.mark_changed();
                } else {
                    self.is_live = true;
                    self.waited = Duration::ZERO;
                }
                self.state.metrics.tail_events.inc_by(piece.events);
                Some(piece.bytes).filter(|bytes| !bytes.is_empty())
            }
            Read::Skipped { count, through } => {
                let after = std::mem::replace(&mut self.position, through);
                self.waited = Duration::ZERO;
                // What came while it was counted is read next.
                self.visible.mark_changed();
                if count == 0 {
                    return None;
                }
                self.state.metrics.tail_missed.inc_by(count);
                let (after, through) = (self.id_of(after), self.id_of(through));
                let missed = Missed { count, after, through };
                let data = serde_json::to_vec(&missed).expect("plain values always serialize");
                let mut out = Vec::new();
                push_event(&mut out, Some(MISSED), &missed.through, &data);
                Some(out.into())
            }
        }
    }

    fn tell_position(&self) -> Bytes {
        let mut out = Vec::new();
        push_position(&mut out, self.id_of(self.position));
        out.into()
    }

    fn tell_error(&self, error: &ApiError) -> Bytes {
        let data = serde_json::to_vec(error.detail()).expect("plain values always serialize");
        let mut out = Vec::new();
        push_event(&mut out, Some(TAIL_ERROR), self.id_of(self.position), &data);
        out.into()
    }

    /// The id of a place in the log: that of an event there, but for its time, which says nothing.
    fn id_of(&self, position: Seq) -> String {
        EventId::new(Timestamp(0), self.state.engine.incarnation(), position).to_string()
    }
}

/// Leaves out what a slow reader has not taken, if it may; else reads the next piece.
fn read(
    state: &State,
    query: &TailQuery,
    after: Seq,
    may_skip: bool,
    control: &Control,
) -> Result<Read, ApiError> {
    let through = state.engine.visible();
    if may_skip && through.0.saturating_sub(after.0) >= BEHIND_MAX {
        let count = state.engine.tail_count_with(query, after, through, control)?;
        return Ok(Read::Skipped { count, through });
    }
    piece(state, query, after, control).map(Read::Piece)
}

fn piece(
    state: &State,
    query: &TailQuery,
    after: Seq,
    control: &Control,
) -> Result<Piece, ApiError> {
    let read = state.engine.tail_with(query, after, control)?;
    let mut writing = Writing::new(&state.engine)?;
    let mut out = Vec::new();
    let mut json = Vec::new();
    for event in &read.events {
        json.clear();
        match query.fields() {
            None => event.write_json(&mut json),
            Some(names) => event.write_json_of(names, &mut json),
        }
        writing.item(&mut out, |out| push_event(out, None, event.id, &json));
    }
    let bytes = match out.is_empty() && read.events.is_empty() {
        true => Bytes::new(),
        false => Bytes::from_owner(writing.end(out)?),
    };
    let (through, visible) = (read.through, read.visible);
    Ok(Piece { bytes, events: read.events.len() as u64, through, visible })
}

/// The body of a tail's answer.
pub(super) struct Following(Stage);

/// A tail, and what it tells next; nothing if it has ended.
type Next = (Box<Follower>, Option<Bytes>);

enum Stage {
    /// The first bytes have been said, or are there to be said.
    Ready(Box<Follower>, Option<Bytes>),
    Waiting(Pin<Box<dyn Future<Output = Next> + Send>>),
    Over,
}

impl Body for Following {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            match std::mem::replace(&mut self.0, Stage::Over) {
                Stage::Over => return Poll::Ready(None),
                Stage::Ready(follower, Some(bytes)) => {
                    self.0 = Stage::Ready(follower, None);
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Stage::Ready(mut follower, None) => {
                    self.0 = Stage::Waiting(Box::pin(async move {
                        let bytes = follower.next().await;
                        (follower, bytes)
                    }));
                }
                Stage::Waiting(mut waiting) => match waiting.as_mut().poll(cx) {
                    Poll::Ready((follower, Some(bytes))) => {
                        self.0 = Stage::Ready(follower, Some(bytes));
                    }
                    Poll::Ready((_, None)) => return Poll::Ready(None),
                    Poll::Pending => {
                        self.0 = Stage::Waiting(waiting);
                        return Poll::Pending;
                    }
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::Behaviour;
    use http_body_util::BodyExt as _;
    use logstrata_engine::io::SystemClock;
    use logstrata_engine::query::parse_query;
    use logstrata_engine::{Engine, Limits, Options};

    /// A tail said nothing while a piece was read, however long that took: its client gave it up.
    #[tokio::test]
    async fn a_tail_is_not_silent_while_a_piece_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let engine = Engine::open(Options::new(dir.path())).expect("opens");
        let clock = Arc::new(SystemClock::new());
        let behaviour = Behaviour {
            query_time_max: Duration::MAX,
            dedup_bodies: false,
            query_slow: None,
            ..Behaviour::default()
        };
        let mut state = State::new(engine, Limits::default(), clock, behaviour);
        state.tails.silence_max = Duration::from_millis(20);
        let state = Arc::new(state);
        let query = TailQuery::new(&parse_query("").expect("a query")).expect("can be followed");
        let place = state.tails.enter().expect("is free");
        let mut follower = Follower::new(Arc::clone(&state), query, Seq(0), place);
        let (read, reading) = tokio::sync::oneshot::channel();
        follower.reading = Some(Box::pin(async { reading.await.expect("is told") }));
        let mut body = follower.into_body(&[]);
        let mut told = async || {
            let frame = tokio::time::timeout(Duration::from_secs(20), body.frame()).await;
            let frame = frame.expect("is not silent").expect("goes on");
            let Ok(frame) = frame;
            String::from_utf8(frame.into_data().expect("data").to_vec()).expect("is text")
        };
        assert!(told().await.starts_with("retry: "));
        for _ in 0..2 {
            assert!(told().await.starts_with(": \nid: "), "the position");
        }
        let piece = Piece {
            bytes: Bytes::from_static(b"data: {}"),
            events: 1,
            through: Seq(0),
            visible: Seq(0),
        };
        let Ok(()) = read.send(Ok(Read::Piece(piece))) else { panic!("it was given up") };
        assert_eq!(told().await, "data: {}", "the same piece");
    }
}
