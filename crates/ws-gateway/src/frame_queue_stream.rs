//! The bytes below the WebSocket: whole server frames go out through a queue of our own.
//!
//! tungstenite's write buffer grows to its largest frame and never shrinks, one answer would stay
//! resident in its session for good. So tungstenite only reads and writes control frames here, and
//! data frames, which a server sends unmasked, are written as they are and freed once written.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::clock;

/// A byte stream whose writes are queued by frame and drained with vectored writes.
///
/// [`Self::push`] and tungstenite's writes append; only [`Self::poll_drain`] touches the stream, so
/// that frames never interleave. Who pushes keeps the queue bounded; tungstenite's share is bounded
/// here.
#[derive(Debug)]
pub(crate) struct FrameQueueStream<S> {
    stream: S,
    unwritten: VecDeque<Bytes>,
    /// The unwritten bytes that came from tungstenite.
    control_bytes: usize,
    last_progress_at: Instant,
}

impl<S> FrameQueueStream<S> {
    /// The most bytes that tungstenite may queue: more than every control frame a client that reads can owe.
    const MAX_CONTROL_BYTES: usize = 1024;
    const MAX_SLICES: usize = 8;

    pub(crate) fn new(stream: S) -> Self {
        Self {
            stream,
            unwritten: VecDeque::new(),
            control_bytes: 0,
            last_progress_at: clock::now(),
        }
    }

    /// Queues a whole frame.
    pub(crate) fn push(&mut self, frame: Bytes) {
        if self.unwritten.is_empty() {
            self.last_progress_at = clock::now();
        }
        self.unwritten.push_back(frame);
    }

    /// Returns when bytes last moved, or began to wait; `None` when none wait.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        (!self.unwritten.is_empty()).then_some(self.last_progress_at)
    }

    fn on_bytes_written(&mut self, mut written: usize) {
        while let Some(front) = self.unwritten.front_mut() {
            if written < front.len() {
                front.advance(written);
                break;
            }
            written -= front.len();
            self.unwritten.pop_front();
        }
        self.last_progress_at = clock::now();
        if self.unwritten.is_empty() {
            self.unwritten = VecDeque::new();
            self.control_bytes = 0;
        }
    }
}

impl<S: AsyncWrite + Unpin> FrameQueueStream<S> {
    /// Writes until nothing waits.
    pub(crate) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            let mut slices = [IoSlice::new(&[]); 8];
            for (slice, frame) in slices.iter_mut().zip(&self.unwritten) {
                *slice = IoSlice::new(frame);
            }
            let slices = &slices[..self.unwritten.len().min(Self::MAX_SLICES)];
            match ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, slices))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => self.on_bytes_written(written),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FrameQueueStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

/// tungstenite's side: control frames, each written whole.
impl<S: AsyncWrite + Unpin> AsyncWrite for FrameQueueStream<S> {
    /// Never wakes: tungstenite tries again whenever the socket is polled, which a drain causes.
    fn poll_write(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        frame: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.control_bytes + frame.len() > Self::MAX_CONTROL_BYTES {
            return Poll::Pending;
        }
        self.control_bytes += frame.len();
        self.push(Bytes::copy_from_slice(frame));
        Poll::Ready(Ok(frame.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// One unmasked text frame in the making: write the payload, then [`Self::into_bytes`].
#[derive(Debug)]
pub(crate) struct TextFrame(Vec<u8>);

impl TextFrame {
    /// The longest header of a server's frame: two bytes and a 64-bit length.
    const MAX_HEADER: usize = 10;

    const HEADER: FrameHeader = FrameHeader {
        is_final: true,
        rsv1: false,
        rsv2: false,
        rsv3: false,
        opcode: OpCode::Data(Data::Text),
        mask: None,
    };

    pub(crate) fn with_capacity(payload: usize) -> Self {
        let mut bytes = Vec::with_capacity(Self::MAX_HEADER + payload);
        bytes.resize(Self::MAX_HEADER, 0);
        Self(bytes)
    }

    /// Puts the header right before the payload: one allocation, no copy.
    pub(crate) fn into_bytes(mut self) -> Bytes {
        let length = (self.0.len() - Self::MAX_HEADER) as u64;
        let start = Self::MAX_HEADER - Self::HEADER.len(length);
        let mut room = &mut self.0[start..Self::MAX_HEADER];
        Self::HEADER
            .format(length, &mut room)
            .expect("the room is as long as the header");
        Bytes::from(self.0).slice(start..)
    }
}

impl Write for TextFrame {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn frame(payload: &[u8]) -> Bytes {
        let mut frame = TextFrame::with_capacity(0);
        frame.write_all(payload).unwrap();
        frame.into_bytes()
    }

    #[test]
    fn a_header_is_as_long_as_the_length_needs() {
        for (length, header) in [
            (0, &[0x81, 0][..]),
            (125, &[0x81, 125]),
            (126, &[0x81, 126, 0, 126]),
            (65_535, &[0x81, 126, 0xff, 0xff]),
            (65_536, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let payload = vec![b'x'; length];
            let frame = frame(&payload);
            assert_eq!(frame[..header.len()], *header, "{length}");
            assert_eq!(frame[header.len()..], payload, "{length}");
        }
    }

    #[tokio::test]
    async fn frames_leave_in_order_through_a_narrow_stream_and_nothing_stays() {
        let (stream, mut peer) = tokio::io::duplex(3);
        let mut io = FrameQueueStream::new(stream);
        io.push(frame(b"first"));
        io.write_all(b"control").await.unwrap();
        (0..20).for_each(|_| io.push(frame(b"x")));
        assert!(io.waiting_since().is_some());

        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).await.unwrap();
            all
        });
        poll_fn(|cx| io.poll_drain(cx)).await.unwrap();
        assert_eq!(io.waiting_since(), None);
        assert_eq!((io.unwritten.capacity(), io.control_bytes), (0, 0));
        drop(io);
        let all = reader.await.unwrap();
        let expected = [&b"\x81\x05firstcontrol"[..], &b"\x81\x01x".repeat(20)].concat();
        assert_eq!(all, expected);
    }

    #[tokio::test]
    async fn control_frames_that_nobody_reads_stop_being_queued() {
        let mut io = FrameQueueStream::new(tokio::io::duplex(1).0);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut accepted = 0;
        while Pin::new(&mut io).poll_write(&mut cx, &[0; 100]).is_ready() {
            accepted += 1;
        }
        assert_eq!(accepted, 10);
    }
}
