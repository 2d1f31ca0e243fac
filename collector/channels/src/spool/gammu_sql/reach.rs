//! The way to the daemon's tables: a file, or a server whose name is resolved and looked at here, so that the database's
//! client is only ever given an address that the channel may reach.

use super::{OpenTables, SmsTables};
use crate::{
    channel::SendError,
    guard::{Guard, Network},
};
use reqwest::Url;
use std::{net::SocketAddr, sync::Arc};
use tokio::sync::Mutex;

/// PostgreSQL's port.
const PORT: u16 = 5432;

/// The tables, wherever they are.
pub(super) enum Tables {
    /// In a file, or behind a socket of this machine.
    Here(Arc<dyn SmsTables>),
    /// On a server.
    There(Box<Server>),
}

/// A server with the tables.
pub(super) struct Server {
    url: Url,
    host: String,
    guard: Guard,
    open: OpenTables,
    /// The tables as they were opened last, and at which address.
    opened: Mutex<Option<(SocketAddr, Arc<dyn SmsTables>)>>,
}

impl Tables {
    /// Tables at an address with its password; connects to nothing yet.
    pub(super) fn new(address: &str, allow: Vec<Network>, open: OpenTables) -> Result<Self, String> {
        let url = address.parse::<Url>().ok().filter(|url| url.scheme() != "sqlite");
        let host = url
            .as_ref()
            .and_then(|url| url.host_str().filter(|host| !host.is_empty()));
        let Some((url, host)) = url.as_ref().zip(host) else {
            return Ok(Self::Here(open(address)?));
        };
        Ok(Self::There(Box::new(Server {
            guard: Guard::new(allow, host),
            host: host.to_owned(),
            url: url.clone(),
            open,
            opened: Mutex::default(),
        })))
    }

    /// The tables, where they may be reached.
    pub(super) async fn get(&self) -> Result<Arc<dyn SmsTables>, SendError> {
        match self {
            Self::Here(tables) => Ok(tables.clone()),
            Self::There(server) => server.get().await,
        }
    }
}

impl Server {
    async fn get(&self) -> Result<Arc<dyn SmsTables>, SendError> {
        let addresses = self.guard.resolve(&self.host, self.url.port().unwrap_or(PORT)).await?;
        let mut opened = self.opened.lock().await;
        if let Some((address, tables)) = opened.as_ref()
            && addresses.contains(address)
        {
            return Ok(tables.clone());
        }
        let address = addresses[0];
        let tables = (self.open)(&self.at(address)).map_err(SendError::temporary)?;
        *opened = Some((address, tables.clone()));
        Ok(tables)
    }

    /// The database's URL with the address instead of the name. Where the server's certificate is held against its name,
    /// the name stays: whoever answers at a wrong address has no such certificate.
    fn at(&self, address: SocketAddr) -> String {
        let mut url = self.url.clone();
        let proves_name = url
            .query_pairs()
            .any(|(key, value)| key == "sslmode" && value == "verify-full");
        if !proves_name {
            // An address is always good as a host.
            let _ = url.set_ip_host(address.ip());
        }
        url.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::Advice;
    use std::sync::Mutex as Lock;

    static OPENED: Lock<Vec<String>> = Lock::new(Vec::new());

    fn open(address: &str) -> Result<Arc<dyn SmsTables>, String> {
        OPENED.lock().unwrap().push(address.to_owned());
        Err("not in this test".to_owned())
    }

    async fn got(address: &str, allow: &[&str]) -> SendError {
        let allow = allow.iter().map(|block| block.parse().unwrap()).collect();
        let tables = Tables::new(address, allow, open).unwrap();
        tables.get().await.err().unwrap()
    }

    #[tokio::test]
    async fn a_database_is_reached_at_an_allowed_address_or_not_at_all() {
        let url = "postgres://gammu:hush@localhost:5433/smsd";
        let forbidden = got(url, &["10.0.0.0/8"]).await;
        assert_eq!(forbidden.advice, Some(Advice::Forbidden), "{forbidden}");
        assert!(!forbidden.reason.contains("hush") && OPENED.lock().unwrap().is_empty());
        let metadata = got("postgres://gammu@169.254.169.254/smsd", &[]).await;
        assert_eq!(metadata.advice, Some(Advice::Forbidden), "{metadata}");
        let reached = got(url, &["127.0.0.0/8"]).await;
        assert_eq!(reached.reason, "not in this test");
        assert_eq!(*OPENED.lock().unwrap(), ["postgres://gammu:hush@127.0.0.1:5433/smsd"]);
        let named = got(&format!("{url}?sslmode=verify-full"), &["127.0.0.0/8"]).await;
        assert_eq!(named.reason, "not in this test");
        assert!(OPENED.lock().unwrap()[1].contains("@localhost:5433/"));
    }

    #[test]
    fn a_file_and_a_socket_are_opened_as_they_stand() {
        for address in ["sqlite:/var/lib/gammu/smsd.db", "postgres:///smsd?host=/run/postgresql"] {
            let opened = Tables::new(address, Vec::new(), |address| Err(address.to_owned()));
            assert_eq!(opened.err().as_deref(), Some(address), "opened at once");
        }
    }
}
