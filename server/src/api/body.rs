//! Request bodies: read up to the limit, in time, within the memory that all bodies share.

mod kept;

use crate::status::ApiError;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use kept::Kept;
use logstrata_client::wire::ErrorKind;
use logstrata_engine::{Consumer, Pool, Refused, Reservation};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Longest silence within a body.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// What a body must bring a second, silence apart: less only holds memory and a connection.
const BYTES_A_SECOND_MIN: u64 = 4 << 10;
/// Reserved at a time for a body whose length is not known, and before anything came of one whose
/// length is.
const STEP_BYTES: usize = 64 << 10;

/// The memory that the bodies of all requests share with batches.
#[derive(Debug, Clone)]
pub(crate) struct BodyMemory {
    pool: Arc<Pool>,
    kept: Arc<Kept>,
}

/// A body, and its share of the memory.
#[derive(Debug)]
pub(crate) struct Received {
    /// As it came, still compressed.
    pub(crate) bytes: Vec<u8>,
    memory: Reservation,
    kept: Arc<Kept>,
}

impl BodyMemory {
    pub(crate) fn new(pool: &Arc<Pool>) -> Self {
        Self { pool: Arc::clone(pool), kept: Arc::new(Kept::new(pool)) }
    }

    /// Memory for a body. Never waits: the request holds a connection, and perhaps half a body.
    pub(crate) fn reserve(&self, bytes: usize) -> Result<Reservation, ApiError> {
        let reserve = || self.pool.reserve(Consumer::Ingest, bytes);
        self.kept.or_without(reserve).map_err(refused)
    }
}

impl Received {
    /// Makes room for a body of `wanted` bytes, whose length was announced or not.
    fn make_room(&mut self, wanted: usize, is_announced: bool) -> Result<(), Refused> {
        if is_announced
            && self.bytes.is_empty()
            && let Some((bytes, memory)) = self.kept.take(wanted)
        {
            (self.bytes, self.memory) = (bytes, memory);
            return Ok(());
        }
        let Self { bytes, memory, kept } = self;
        kept.or_without(|| memory.grow_to(wanted, STEP_BYTES))?;
        if is_announced && bytes.capacity() < wanted {
            bytes.reserve_exact(Kept::capacity_for(wanted) - bytes.len());
        }
        Ok(())
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.kept.keep(std::mem::take(&mut self.bytes), self.memory.take());
    }
}

fn refused(refused: Refused) -> ApiError {
    logstrata_engine::Error::from(refused).into()
}

/// Reads a body of at most `bytes_max` bytes.
///
/// # Errors
/// `TooLarge`, `Busy` if there is no memory for it now, `Timeout` if nothing or too little comes,
/// `Invalid` if the connection breaks within it.
pub(crate) async fn read<B>(
    mut body: B,
    bytes_max: usize,
    memory: &BodyMemory,
) -> Result<Received, ApiError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let hint = body.size_hint();
    if hint.lower() > bytes_max as u64 {
        return Err(too_large(bytes_max));
    }
    let announced = hint.exact().and_then(|length| usize::try_from(length).ok());
    let first = announced.unwrap_or_default().min(STEP_BYTES);
    let kept = Arc::clone(&memory.kept);
    let mut received = Received { bytes: Vec::new(), memory: memory.reserve(first)?, kept };
    let began = Instant::now();
    loop {
        let frame = timeout_at(next_by(began, received.bytes.len()), body.frame());
        let frame = frame.await.map_err(|_| {
            ApiError::new(ErrorKind::Timeout, "the rest of the body did not arrive in time")
        })?;
        let Some(frame) = frame else { return Ok(received) };
        let frame =
            frame.map_err(|error| ApiError::invalid(format!("the body broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        let length = received.bytes.len() + data.len();
        if length > bytes_max {
            return Err(too_large(bytes_max));
        }
        // A length is believed once the sender has begun: until then it could be had for nothing.
        let wanted = announced.unwrap_or_default().max(length);
        received.make_room(wanted, announced.is_some()).map_err(refused)?;
        received.bytes.extend_from_slice(&data);
    }
}

/// Until when the next part of a body may come, of which so many bytes are there.
fn next_by(began: Instant, bytes: usize) -> Instant {
    let silence = Instant::now() + SILENCE_MAX;
    let slowest = Duration::from_secs(bytes as u64 / BYTES_A_SECOND_MIN);
    silence.min(began + SILENCE_MAX + slowest)
}

/// The refusal of a body above the limit.
pub(crate) fn too_large(bytes_max: usize) -> ApiError {
    let message = format!(
        "the body is larger than the {bytes_max} bytes that are taken at once: send it in parts, \
         or raise limits.body_bytes"
    );
    ApiError::new(ErrorKind::TooLarge, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::{Frame, SizeHint};
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};
    use tokio::time::{Sleep, sleep, timeout};

    /// A body of chunks, with or without a length; panics if it is read to death.
    struct Chunks {
        left: usize,
        chunk: usize,
        length: Option<u64>,
    }

    /// A body of which a byte comes every 20 seconds.
    struct Trickle {
        length: Option<u64>,
        next: Pin<Box<Sleep>>,
    }

    impl Body for Trickle {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            ready!(self.next.as_mut().poll(cx));
            self.next.as_mut().reset(Instant::now() + Duration::from_secs(20));
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }

        fn size_hint(&self) -> SizeHint {
            self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            self.left -= 1;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; self.chunk])))))
        }

        fn size_hint(&self) -> SizeHint {
            self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    async fn kind_of(body: Chunks, max: usize, memory: &BodyMemory) -> Option<ErrorKind> {
        read(body, max, memory).await.err().map(|error| error.detail().kind)
    }

    #[tokio::test]
    async fn bodies_up_to_the_limit_are_read_and_larger_ones_refused() {
        let memory = BodyMemory::new(&Pool::new(64 << 20));
        for length in [None, Some(3_000)] {
            let body = Chunks { left: 3, chunk: 1_000, length };
            assert_eq!(read(body, 3_000, &memory).await.expect("fits").bytes.len(), 3_000);
            let body = Chunks { left: 3, chunk: 1_000, length };
            assert_eq!(kind_of(body, 2_999, &memory).await, Some(ErrorKind::TooLarge));
        }
        let endless = Chunks { left: usize::MAX, chunk: 1_000, length: None };
        assert_eq!(kind_of(endless, 10_000, &memory).await, Some(ErrorKind::TooLarge));
    }

    #[tokio::test]
    async fn bodies_share_the_memory_and_give_it_back() {
        let pool = Pool::new(64 << 20);
        let memory = BodyMemory::new(&pool);
        let mut others = memory.reserve(0).expect("nothing");
        while others.grow(STEP_BYTES).is_ok() {}
        others.shrink_to(others.bytes() - STEP_BYTES);
        let chunked = || Chunks { left: 1, chunk: 10, length: None };
        let first = read(chunked(), 1_000, &memory).await.expect("there is room");
        assert_eq!(kind_of(chunked(), 1_000, &memory).await, Some(ErrorKind::Busy));
        let known = Chunks { left: 1, chunk: 10, length: Some(10_000) };
        assert_eq!(kind_of(known, 1 << 20, &memory).await, Some(ErrorKind::Busy));
        drop(first);
        assert_eq!(kind_of(chunked(), 1_000, &memory).await, None);
        drop(others);
        assert_eq!(pool.status().ingest, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_is_given_up_and_held_next_to_nothing() {
        let pool = Pool::new(64 << 20);
        let memory = BodyMemory::new(&pool);
        for length in [None, Some(16 << 20)] {
            let body = Trickle { length, next: Box::pin(sleep(Duration::from_secs(20))) };
            let mut reading = Box::pin(read(body, 16 << 20, &memory));
            assert!(timeout(Duration::from_secs(10), reading.as_mut()).await.is_err());
            let held = pool.status().ingest;
            assert!(held <= STEP_BYTES as u64, "{held} bytes for nothing");
            let outcome = timeout(Duration::from_secs(30), reading).await.expect("is given up");
            let kind = outcome.err().map(|error| error.detail().kind);
            assert_eq!(kind, Some(ErrorKind::Timeout));
        }
    }
}
