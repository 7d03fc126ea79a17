//! tokio's reading and writing traits for what has poll methods of the same names of its own.

/// `AsyncRead` by the type's own `poll_read_buf`.
macro_rules! tokio_read {
    ($type:ty) => {
        impl ::tokio::io::AsyncRead for $type {
            fn poll_read(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                buf: &mut ::tokio::io::ReadBuf<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                self.get_mut().poll_read_buf(cx, buf)
            }
        }
    };
}

/// `AsyncWrite` by the type's own methods; `$raw::Pair` is what takes one slice at a time.
macro_rules! tokio_write {
    ($type:ty, $raw:ident) => {
        impl ::tokio::io::AsyncWrite for $type {
            fn poll_write(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                bytes: &[u8],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.get_mut().poll_write(cx, bytes)
            }

            fn poll_write_vectored(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
                slices: &[::std::io::IoSlice<'_>],
            ) -> ::std::task::Poll<::std::io::Result<usize>> {
                self.get_mut().poll_write_vectored(cx, slices)
            }

            fn is_write_vectored(&self) -> bool {
                !matches!(self.raw, $raw::Pair(_))
            }

            fn poll_flush(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                self.get_mut().poll_flush(cx)
            }

            fn poll_shutdown(
                self: ::std::pin::Pin<&mut Self>,
                cx: &mut ::std::task::Context<'_>,
            ) -> ::std::task::Poll<::std::io::Result<()>> {
                self.get_mut().poll_shutdown(cx)
            }
        }
    };
}
