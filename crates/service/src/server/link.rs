//! The links of `net`, as the driver needs them.

use std::io;
use std::task::{Context, Poll, ready};

use sockeye_net::{ByteLink, MessageLink};
use sockeye_trace::ConnId;

use super::stream::Stream;

impl Stream for ByteLink {
    #[inline]
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<Option<usize>>> {
        let got = ready!(ByteLink::poll_read(self, cx, buf))?;
        Poll::Ready(Ok((got > 0).then_some(got)))
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ByteLink::poll_write(self, cx, bytes)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ByteLink::poll_flush(self, cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ByteLink::poll_shutdown(self, cx)
    }

    #[inline]
    fn is_layered(&self) -> bool {
        ByteLink::is_layered(self)
    }

    fn reset_on_drop(&mut self) {
        // It fails only where the connection is gone already.
        let _ = self.set_reset_on_drop(true);
    }

    #[inline]
    fn keeps_messages(&self) -> bool {
        false
    }

    fn has_end(&self) -> bool {
        true
    }

    #[inline]
    fn moved(&self) -> (u64, u64) {
        (self.read_bytes(), self.written_bytes())
    }

    fn conn(&self) -> ConnId {
        ByteLink::conn(self)
    }
}

impl Stream for MessageLink {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<Option<usize>>> {
        let received = ready!(self.poll_recv(cx, buf))?;
        Poll::Ready(Ok(received.map(|received| received.len)))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx, bytes))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn overflow(&mut self) -> Option<Vec<u8>> {
        self.take_overflow()
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        MessageLink::poll_flush(self, cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(cx)
    }

    #[inline]
    fn is_layered(&self) -> bool {
        MessageLink::is_layered(self)
    }

    fn reset_on_drop(&mut self) {
        MessageLink::reset_on_drop(self);
    }

    fn keeps_messages(&self) -> bool {
        true
    }

    fn has_end(&self) -> bool {
        self.half_closes()
    }

    fn moved(&self) -> (u64, u64) {
        (self.received().1, self.sent().1)
    }

    fn conn(&self) -> ConnId {
        MessageLink::conn(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::StreamDriver;
    use super::*;

    /// 10,000 idle connections may cost 7.5 KiB each (docs/performance.md), of which the kernel
    /// takes 5.8; the runtime's task and registration take 0.8 of what is left.
    #[test]
    fn a_connection_is_small() {
        let size = size_of::<StreamDriver<ByteLink>>();
        assert!(size <= 640, "{size} bytes");
    }
}
