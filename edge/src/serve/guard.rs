//! The stream below hyper. It lets hyper see whole, unambiguous heads only ([`super::scanner`]), says
//! what was wrong with the others, and ends a connection in a way that lets the client read the
//! answer (RFC 9112 section 9.6). It holds bytes only while a head is not whole.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{
    Limits,
    answer::Answer,
    head::BadHead,
    metrics::{ServeMetrics, Timeout},
    scanner::{Bad, Scanner},
    timer::Timer,
};

/// How long, and for how many bytes, a client may go on sending what nobody reads any more.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// A reader with less room reads through [`Guard::held`]. hyper asks for 24 bytes first, to tell
/// HTTP/2 from HTTP/1, and a head should not be read in such crumbs.
const ENOUGH: usize = 1024;

/// A stream whose reader sees what [`Scanner`] lets pass.
#[derive(Debug)]
pub(super) struct Guard<IO> {
    io: IO,
    scanner: Scanner,
    state: State,
    /// Bytes that were read from the stream but not by the reader. Empty but for the head of a
    /// request that came in pieces.
    held: Vec<u8>,
    /// How many of them the reader has got.
    given: usize,
    /// How many of them it may get.
    passed: usize,
    answer: Arc<Answer>,
    head: Timer,
    write: Timer,
    linger: Option<Linger>,
    metrics: ServeMetrics,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// A head was refused. What follows is not read.
    Refused,
    /// A body was broken.
    Broken,
    /// Nothing was said in time.
    Ended,
}

#[derive(Debug)]
struct Linger {
    until: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<IO> Guard<IO> {
    pub(super) fn new(io: IO, limits: &Limits, answer: Arc<Answer>) -> Self {
        Self {
            io,
            scanner: Scanner::new(limits.header_bytes),
            state: State::Open,
            held: Vec::new(),
            given: 0,
            passed: 0,
            answer,
            head: Timer::of(limits.header_timeout),
            write: Timer::of(limits.write_timeout),
            linger: None,
            metrics: limits.metrics.clone(),
        }
    }

    /// Whether part of a head is held back.
    fn holds_part(&self) -> bool {
        self.passed < self.held.len()
    }

    /// Gives the reader what may pass of the bytes held.
    fn give(&mut self, out: &mut ReadBuf<'_>) {
        let ready = self.held.get(self.given..self.passed).unwrap_or_default();
        let count = ready.len().min(out.remaining());
        out.put_slice(ready.get(..count).unwrap_or_default());
        self.given += count;
        if self.given == self.held.len() {
            self.held = Vec::new();
            (self.given, self.passed) = (0, 0);
        }
    }

    /// Takes in what was read into `out` behind its first `before` bytes, and leaves there what may
    /// pass.
    fn take(&mut self, out: &mut ReadBuf<'_>, before: usize) {
        let fresh = out.filled().get(before..).unwrap_or_default();
        if self.held.is_empty() {
            let (passed, verdict) = self.scanner.scan(fresh);
            self.held.extend_from_slice(fresh.get(passed..).unwrap_or_default());
            out.set_filled(before + passed);
            self.judge(verdict);
        } else {
            self.held.extend_from_slice(fresh);
            out.set_filled(before);
            self.scan_held();
        }
    }

    fn scan_held(&mut self) {
        let unknown = self.held.get(self.passed..).unwrap_or_default();
        let (passed, verdict) = self.scanner.scan(unknown);
        self.passed += passed;
        self.judge(verdict);
    }

    fn judge(&mut self, verdict: Result<(), Bad>) {
        match verdict {
            Ok(()) => {}
            Err(Bad::Head(bad)) => self.refuse(bad),
            Err(Bad::Chunks) => {
                self.held.truncate(self.passed);
                self.state = State::Broken;
                self.metrics.refused("bad_chunks");
            }
        }
    }

    /// Puts a request into the place of a bad one that makes the server answer it.
    fn refuse(&mut self, bad: BadHead) {
        self.held.truncate(self.passed);
        self.held.extend_from_slice(bad.stand_in().as_bytes());
        self.passed = self.held.len();
        self.state = State::Refused;
    }

    /// What the service has said meanwhile about another protocol.
    fn look_at_answer(&mut self) {
        if self.scanner.is_raw() {
            return;
        }
        if self.answer.switched() {
            self.scanner.give_up();
            self.passed = self.held.len();
        } else if self.scanner.awaits_answer() && self.answer.take_declined() {
            self.scanner.go_on();
            self.scan_held();
        }
    }

    /// The head that is not there yet has its time.
    fn poll_head_timer(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let awaited = self.holds_part() || self.scanner.is_at_first_head();
        if !awaited || self.scanner.awaits_answer() || self.scanner.is_raw() {
            self.head.stop();
            return Poll::Pending;
        }
        self.head.poll(context)
    }
}

impl<IO: AsyncRead + Unpin> Guard<IO> {
    /// Reads from the stream and leaves in `out` what may pass; false at the stream's end.
    fn poll_fill(
        &mut self,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        if out.remaining() < ENOUGH && !self.scanner.is_raw() {
            let mut place = [0; 4 * ENOUGH];
            let mut fresh = ReadBuf::new(&mut place);
            ready!(Pin::new(&mut self.io).poll_read(context, &mut fresh))?;
            self.held.extend_from_slice(fresh.filled());
            self.scan_held();
            return Poll::Ready(Ok(!fresh.filled().is_empty()));
        }
        let before = out.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, out))?;
        let more = out.filled().len() > before;
        self.take(out, before);
        Poll::Ready(Ok(more))
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Guard<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.state == State::Open {
            this.look_at_answer();
        }
        let before = out.filled().len();
        loop {
            if this.given < this.passed {
                this.give(out);
                return Poll::Ready(Ok(()));
            }
            match this.state {
                // A tunnel behind a head that was refused has nobody at its other end.
                State::Refused if this.answer.switched() => return Poll::Ready(Ok(())),
                State::Refused => return Poll::Pending,
                State::Broken => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                State::Ended => return Poll::Ready(Ok(())),
                State::Open => {}
            }
            if this.scanner.awaits_answer() {
                // Asked for again once the answer is written.
                return Poll::Pending;
            }
            match this.poll_fill(context, out) {
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    ready!(this.poll_head_timer(context));
                    this.metrics.timed_out(Timeout::Header);
                    if this.holds_part() {
                        this.refuse(BadHead::TooSlow);
                    } else {
                        this.state = State::Ended;
                    }
                }
            }
            if out.filled().len() > before {
                this.head.stop();
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Guard<IO> {
    /// Fails when the client has taken nothing for too long.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if outcome.is_ready() {
            self.write.stop();
            return outcome;
        }
        ready!(self.write.poll(context));
        self.metrics.timed_out(Timeout::Write);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Whether the client may still be sending what nobody will read.
    fn may_be_sending(&self) -> bool {
        let amid = !self.scanner.is_between_requests() || self.holds_part();
        match self.state {
            State::Open => amid && !self.scanner.is_raw(),
            State::Refused | State::Broken => true,
            State::Ended => false,
        }
    }

    /// Reads and forgets. Ends when the client does, or has had its time.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let linger = self.linger.get_or_insert_with(|| Linger {
            until: Box::pin(sleep_until(Instant::now() + LINGER)),
            bytes: LINGER_BYTES,
        });
        let mut place = [0; 4096];
        while linger.bytes > 0 && linger.until.as_mut().poll(context).is_pending() {
            let mut unread = ReadBuf::new(&mut place);
            match ready!(Pin::new(&mut self.io).poll_read(context, &mut unread)) {
                Ok(()) if !unread.filled().is_empty() => {
                    linger.bytes = linger.bytes.saturating_sub(unread.filled().len());
                }
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write(context, bytes);
        this.written(context, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.io).poll_write_vectored(context, parts);
        this.written(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.io).poll_shutdown(context))?;
            if !this.may_be_sending() {
                return Poll::Ready(Ok(()));
            }
        }
        this.poll_linger(context)
    }
}
