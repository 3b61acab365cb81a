//! A connection whose other side has to read: an answer that nobody takes holds memory and a place.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// What the other side has to take a second of an answer, patience apart: less only holds memory.
const BYTES_A_SECOND_MIN: u64 = 4 << 10;

/// A stream of which a write fails with `TimedOut` if nothing or too little of it is taken for too
/// long.
#[derive(Debug)]
pub(crate) struct Unstalled<S> {
    stream: S,
    patience: Duration,
    /// Runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    backlog: Option<Backlog>,
}

/// What was taken since a write had to wait, until all that was there is written.
#[derive(Debug, Clone, Copy)]
struct Backlog {
    since: Instant,
    taken: u64,
}

impl<S> Unstalled<S> {
    /// Waits for the other side at most `patience` at a time, and in all as much longer as it takes
    /// to read slowly.
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, waiting: None, backlog: None }
    }

    fn written(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let (Some(backlog), Poll::Ready(Ok(bytes))) = (&mut self.backlog, &written) {
            backlog.taken += *bytes as u64;
        }
        self.watched(cx, written)
    }

    fn watched<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let now = Instant::now();
        let Backlog { since, taken } =
            *self.backlog.get_or_insert(Backlog { since: now, taken: 0 });
        let slowest = Duration::from_secs(taken / BYTES_A_SECOND_MIN);
        let end = (now + self.patience).min(since + self.patience + slowest);
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep_until(end)));
        match waiting.as_mut().poll(cx) {
            Poll::Ready(()) => {
                // Whoever asks once more waits anew.
                (self.waiting, self.backlog) = (None, None);
                let why = "the answer is not read";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, why)))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Unstalled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Unstalled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            // Hyper flushes once it has written all that it has.
            self.backlog = None;
        }
        self.watched(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.watched(cx, ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    #[tokio::test]
    async fn an_answer_that_is_not_read_breaks_the_connection() {
        let (mut reader, stream) = duplex(16);
        let mut stream = Unstalled::new(stream, Duration::from_millis(20));
        stream.write_all(&[1; 16]).await.expect("there is room");
        let error = stream.write_all(&[2; 16]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let mut bytes = [0; 16];
        reader.read_exact(&mut bytes).await.expect("was written");
        stream.write_all(&[3; 16]).await.expect("is read again");
    }

    /// Each byte that was taken renewed the patience: an answer of 16 MiB could be held for years.
    #[tokio::test(start_paused = true)]
    async fn an_answer_of_which_a_byte_is_read_at_a_time_breaks_the_connection() {
        let (mut reader, stream) = duplex(1);
        let mut stream = Unstalled::new(stream, Duration::from_secs(30));
        let reading = tokio::spawn(async move {
            while reader.read_u8().await.is_ok() {
                tokio::time::sleep(Duration::from_secs(20)).await;
            }
        });
        let began = Instant::now();
        let error = stream.write_all(&[1; 500]).await.expect_err("is read too slowly");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(began.elapsed() <= Duration::from_secs(31), "{:?}", began.elapsed());
        drop(stream);
        reading.await.expect("no panic");
    }

    /// One answer after the other, each taken in time: they are no backlog together.
    #[tokio::test(start_paused = true)]
    async fn patience_begins_anew_with_each_answer() {
        let (mut reader, stream) = duplex(4);
        let mut stream = Unstalled::new(stream, Duration::from_secs(30));
        let reading = tokio::spawn(async move {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                let mut answer = [0; 8];
                reader.read_exact(&mut answer).await.expect("is written");
            }
        });
        for _ in 0..5 {
            stream.write_all(&[1; 8]).await.expect("is read in time");
            stream.flush().await.expect("is read in time");
        }
        reading.await.expect("no panic");
    }

    #[tokio::test]
    async fn a_slow_reader_is_waited_for() {
        let (mut reader, stream) = duplex(1);
        let mut stream = Unstalled::new(stream, Duration::from_secs(60));
        let reading = tokio::spawn(async move {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).await.expect("ends");
            bytes.len()
        });
        stream.write_all(&[1; 500]).await.expect("is read");
        drop(stream);
        assert_eq!(reading.await.expect("no panic"), 500);
    }
}
