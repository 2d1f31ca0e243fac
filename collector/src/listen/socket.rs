//! A TCP socket that can move from one runtime to another: handshakes are done where there is a processor for them, the
//! connection is served elsewhere.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A TCP socket.
#[derive(Debug)]
pub(super) struct Socket {
    /// None when it could not be moved: it is closed then.
    stream: Option<TcpStream>,
}

impl Socket {
    pub(super) const fn new(stream: TcpStream) -> Self {
        Self { stream: Some(stream) }
    }

    /// Has the calling runtime watch it from now on.
    pub(super) fn move_here(&mut self) -> io::Result<()> {
        if let Some(stream) = self.stream.take() {
            self.stream = Some(TcpStream::from_std(stream.into_std()?)?);
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        let stream = self.stream.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(stream))
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.open()?.poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.open()?.poll_write(cx, buf)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.open()?.poll_write_vectored(cx, bufs)
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open()?.poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open()?.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    #[test]
    fn a_socket_goes_on_in_another_runtime_when_its_first_one_has_ended() {
        let runtime = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap()
        };
        let (first, second, other) = (runtime(), runtime(), runtime());
        let (mut here, mut there) = first.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let connecting = TcpStream::connect(listener.local_addr().unwrap());
            let (there, here) = tokio::join!(connecting, listener.accept());
            (Socket::new(here.unwrap().0), Socket::new(there.unwrap()))
        });
        second.block_on(async { here.move_here().unwrap() });
        other.block_on(async { there.move_here().unwrap() });
        drop(first);
        other.block_on(async { there.write_all(b"tick").await.unwrap() });
        let mut read = [0; 4];
        second.block_on(here.read_exact(&mut read)).unwrap();
        assert_eq!(&read, b"tick");
    }
}
