//! TLS listeners: one accept loop for agents, enrolment and console.
//!
//! Handshakes run beside each other, each with a deadline; at most `HANDSHAKES_MAX` at once, so that half-open
//! clients cost a bounded amount and never stop the loop. So is the number of connections: further ones wait unaccepted. A bad client is logged at debug and forgotten.

mod socket;

use crate::{ears::Ears, pki::Identity};
use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::CertificateDer;
use socket::Socket;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tocsin_vocabulary::{HostId, Timestamp};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpSocket},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// Handshakes under way at once, per listener. At about a millisecond of processor each, whoever is accepted is done well
/// within [`HANDSHAKE_DEADLINE`].
const HANDSHAKES_MAX: usize = 512;
/// Connections that wait unaccepted: with the handshakes before them a few seconds' worth, so that a fleet that comes
/// back at once waits less than an agent's patience of ten seconds, and the rest tries again by itself.
const UNACCEPTED_MAX: u32 = 4_096;
/// A client that has not finished its handshake by then is dropped.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// Accepted connections that wait for the server to take them.
const ACCEPTED_QUEUE: usize = 64;
/// Pause after an accept failure such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener's TLS configuration, which may be replaced while it runs.
pub type SharedConfig = Arc<ArcSwap<ServerConfig>>;

/// Builds a listener's TLS configuration.
///
/// `clients`: the authority whose client certificates are demanded; none: no client certificate is asked for.
///
/// # Errors
/// When the key does not fit the certificate.
pub fn server_config(
    identity: Identity,
    clients: Option<&CertificateDer<'static>>,
    protocols: &[&[u8]],
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.clone())?;
            let verifier: Arc<dyn ClientCertVerifier> =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .map_err(|error| rustls::Error::General(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(identity.chain, identity.key)?;
    if clients.is_some() {
        // Agents connect once and stay: two tickets and a kept session for each handshake would serve nobody.
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Where it comes from.
    pub address: SocketAddr,
    /// The host that its certificate names; none without one.
    pub host: Option<HostId>,
    /// When its certificate ends.
    pub certificate_until: Option<Timestamp>,
}

impl Peer {
    fn of(address: SocketAddr, certificates: Option<&[CertificateDer<'_>]>) -> Self {
        let parsed = certificates
            .and_then(<[_]>::first)
            .and_then(|certificate| X509Certificate::from_der(certificate).ok())
            .map(|(_, certificate)| {
                let until = Timestamp::from_millis(certificate.validity().not_after.timestamp().saturating_mul(1_000));
                (host_of(&certificate), until)
            });
        Self {
            address,
            host: parsed.and_then(|(host, _)| host),
            certificate_until: parsed.map(|(_, until)| until),
        }
    }
}

/// The host that the one URI SAN of a certificate names.
fn host_of(certificate: &X509Certificate<'_>) -> Option<HostId> {
    let names = certificate.subject_alternative_name().ok()??;
    match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] => tocsin_proto::identity::host_of_uri(uri),
        _ => None,
    }
}

/// An accepted TLS connection that knows its peer.
#[derive(Debug)]
pub struct Connection {
    stream: TlsStream<Socket>,
    peer: Peer,
    /// Its place among those that may be open.
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Who is at the other end.
    #[must_use]
    pub const fn peer(&self) -> Peer {
        self.peer
    }

    /// The same connection, watched by the runtime that calls this from now on.
    ///
    /// # Errors
    /// When that runtime can't watch one more.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn here(mut self) -> io::Result<Self> {
        self.stream.get_mut().0.move_here()?;
        Ok(self)
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;
    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Accepts until cancelled, at most `connections_max` at a time; connections go to `sender` once their handshake is
/// done. What can't be accepted is told to `ears`.
pub async fn accept(
    listener: TcpListener,
    connections_max: usize,
    config: SharedConfig,
    sender: mpsc::Sender<Connection>,
    ears: Arc<Ears>,
    cancel: CancellationToken,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let places = Arc::new(Semaphore::new(connections_max));
    loop {
        let next = async {
            let permit = handshakes.clone().acquire_owned().await.ok()?;
            let place = places.clone().acquire_owned().await.ok()?;
            Some((permit, place, listener.accept().await))
        };
        let next = tokio::select! {
            next = next => next,
            () = cancel.cancelled() => return,
        };
        let Some((permit, place, accepted)) = next else { return };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                ears.refuses();
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let acceptor = TlsAcceptor::from(config.load_full());
        let sender = sender.clone();
        tokio::spawn(async move {
            let _permit = permit;
            // A tick is one small message: waiting to fill a segment would only delay it.
            let _ = stream.set_nodelay(true);
            let accepted = acceptor.accept(Socket::new(stream));
            match tokio::time::timeout(HANDSHAKE_DEADLINE, accepted).await {
                Ok(Ok(stream)) => {
                    let peer = Peer::of(address, stream.get_ref().1.peer_certificates());
                    let connection = Connection {
                        stream,
                        peer,
                        _place: place,
                    };
                    let _ = sender.send(connection).await;
                }
                Ok(Err(error)) => tracing::debug!(%address, %error, "TLS handshake failed"),
                Err(_) => tracing::debug!(%address, "TLS handshake took too long"),
            }
        });
    }
}

/// The queue between [`accept`] and a server.
#[must_use]
pub fn accepted_queue() -> (mpsc::Sender<Connection>, mpsc::Receiver<Connection>) {
    mpsc::channel(ACCEPTED_QUEUE)
}

fn listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // So that a collector that is restarted gets its port back at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(UNACCEPTED_MAX)
}

/// Binds a listener, with a message that names the address and the remedy.
///
/// # Errors
/// When the port is in use, not allowed, or the address is not of this machine.
///
/// # Panics
/// Outside a tokio runtime.
pub fn bind(what: &str, address: SocketAddr) -> Result<TcpListener, String> {
    listener(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!(
                "cannot listen for {what} on {address}: the port is in use; stop the other program or change the port"
            )
        }
        io::ErrorKind::PermissionDenied => {
            format!("cannot listen for {what} on {address}: not allowed; choose a port above 1023")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("cannot listen for {what} on {address}: this machine has no such address")
        }
        _ => format!("cannot listen for {what} on {address}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::Authority;
    use arc_swap::ArcSwap;
    use tokio::{io::AsyncReadExt as _, net::TcpStream};

    #[tokio::test]
    async fn garbage_and_silence_do_not_stop_the_loop_and_a_full_house_lets_the_next_one_in_later() {
        let folder = tempfile::tempdir().unwrap();
        let now = Timestamp::from_millis(1_790_000_000_000);
        let authority = Authority::open(folder.path(), "agents", "Tocsin agents", now).unwrap();
        let identity = authority.server(&["localhost".to_owned()], &[], now).unwrap();
        let config = Arc::new(ArcSwap::from_pointee(server_config(identity, None, &[]).unwrap()));
        let listener = bind("tests", "127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, mut receiver) = accepted_queue();
        let cancel = CancellationToken::new();
        let accepting = tokio::spawn(accept(listener, 1, config, sender, Arc::default(), cancel.clone()));

        let mut garbage = TcpStream::connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut garbage, b"GET / HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        let mut rest = Vec::new();
        let _ = garbage.read_to_end(&mut rest).await;

        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
        for _ in 0..3 {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = "localhost".try_into().unwrap();
            let open = connector.connect(name, stream).await.unwrap();
            let connection = receiver.recv().await.unwrap();
            assert_eq!(connection.peer().host, None);
            drop((open, connection));
        }
        cancel.cancel();
        accepting.await.unwrap();
    }
}
