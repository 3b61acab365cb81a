//! Request bodies: read up to the limit, in time, within the memory that all bodies share.

use crate::status::ApiError;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;
use logstrata_client::wire::ErrorKind;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Longest silence within a body.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// One permit of the shared memory.
const PERMIT_BYTES: usize = 4 << 10;
/// Reserved at a time for a body whose length is not known.
const STEP_BYTES: usize = 256 << 10;

/// The memory that the bodies of all requests share.
#[derive(Debug, Clone)]
pub(crate) struct BodyMemory(Arc<Semaphore>);

/// A body, and its share of the memory.
#[derive(Debug)]
pub(crate) struct Received {
    /// As it came, still compressed.
    pub(crate) bytes: Vec<u8>,
    reserved: Option<OwnedSemaphorePermit>,
}

impl BodyMemory {
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.div_ceil(PERMIT_BYTES))))
    }

    fn reserve(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let permits = u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        // Never waits: the request holds a connection, and perhaps half a body.
        Arc::clone(&self.0).try_acquire_many_owned(permits).map_err(|_| {
            ApiError::new(ErrorKind::Busy, "the bodies of other requests fill the memory for them")
        })
    }
}

impl Received {
    fn reserve(&mut self, memory: &BodyMemory, bytes: usize) -> Result<(), ApiError> {
        let more = memory.reserve(bytes)?;
        match &mut self.reserved {
            Some(reserved) => reserved.merge(more),
            none => *none = Some(more),
        }
        Ok(())
    }

    fn reserved_bytes(&self) -> usize {
        self.reserved.as_ref().map_or(0, |permit| permit.num_permits() * PERMIT_BYTES)
    }
}

/// Reads a body of at most `bytes_max` bytes.
///
/// # Errors
/// `TooLarge`, `Busy` if there is no memory for it now, `Timeout` if nothing comes, `Invalid` if
/// the connection breaks within it.
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
    let mut received = Received { bytes: Vec::new(), reserved: None };
    if let Some(length) = hint.exact().and_then(|length| usize::try_from(length).ok()) {
        received.reserve(memory, length)?;
        received.bytes.reserve_exact(length);
    }
    loop {
        let frame = timeout(SILENCE_MAX, body.frame()).await.map_err(|_| {
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
        if length > received.reserved_bytes() {
            received.reserve(memory, data.len().max(STEP_BYTES))?;
        }
        received.bytes.extend_from_slice(&data);
    }
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
    use std::task::{Context, Poll};

    /// A body of chunks, with or without a length; panics if it is read to death.
    struct Chunks {
        left: usize,
        chunk: usize,
        length: Option<u64>,
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
        let memory = BodyMemory::new(1 << 20);
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
        let memory = BodyMemory::new(STEP_BYTES);
        let chunked = || Chunks { left: 1, chunk: 10, length: None };
        let first = read(chunked(), 1_000, &memory).await.expect("there is room");
        assert_eq!(kind_of(chunked(), 1_000, &memory).await, Some(ErrorKind::Busy));
        drop(first);
        assert_eq!(kind_of(chunked(), 1_000, &memory).await, None);
    }
}
