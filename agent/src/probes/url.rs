//! The address of a page: as much of RFC 3986 as a probe needs.

use std::fmt;

/// `http://` or `https://`, a host, perhaps a port, a path. Holds no user or password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it is `https`.
    pub secure: bool,
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// As given, else 80 or 443.
    pub port: u16,
    /// Path and query, beginning with a slash. Without a fragment.
    pub path: String,
}

impl Url {
    /// Reads an address.
    ///
    /// # Errors
    /// With what is wrong, as a sentence without a full stop.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (secure, rest) = if let Some(rest) = text.strip_prefix("https://") {
            (true, rest)
        } else if let Some(rest) = text.strip_prefix("http://") {
            (false, rest)
        } else {
            return Err("it begins neither with http:// nor with https://");
        };
        let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(at);
        if authority.contains('@') {
            return Err("it holds a user or a password");
        }
        let (host, port) = split_port(authority).ok_or("it has no host, or no good port")?;
        Ok(Self {
            secure,
            host: host.to_owned(),
            port: port.unwrap_or(if secure { 443 } else { 80 }),
            path: clean_path(path)?,
        })
    }

    /// Where `location` leads from here (RFC 9110, 10.2.2).
    ///
    /// # Errors
    /// As [`Url::parse`].
    pub fn join(&self, location: &str) -> Result<Self, &'static str> {
        if let Some(rest) = location.strip_prefix("//") {
            let scheme = if self.secure { "https" } else { "http" };
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        if location.starts_with("http://") || location.starts_with("https://") {
            return Self::parse(location);
        }
        let path = if location.starts_with('/') {
            clean_path(location)?
        } else {
            let own = self.path.split('?').next().unwrap_or("/");
            let folder = own.rfind('/').map_or("/", |at| &own[..=at]);
            clean_path(&format!("{folder}{location}"))?
        };
        Ok(Self { path, ..self.clone() })
    }

    /// What the header `Host` says.
    pub(super) fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Path and query without a fragment; what may not stand in a request is refused.
fn clean_path(text: &str) -> Result<String, &'static str> {
    let path = text.split('#').next().unwrap_or_default();
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("its path holds characters that must be written as %XX");
    }
    Ok(if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    })
}

/// `host`, `host:port`, `[address]`, `[address]:port`; none when it is neither.
pub(crate) fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => text.find(':').map_or((text, ""), |at| text.split_at(at)),
    };
    let good = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
    let port = match rest {
        "" => None,
        rest => Some(rest.strip_prefix(':')?.parse().ok().filter(|port| *port > 0)?),
    };
    good.then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzzing::timed;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn addresses_are_read_and_written_back() {
        for text in [
            "http://a.example/",
            "https://a.example:8443/x?y=1",
            "http://[fd00::1]:8080/",
            "https://192.0.2.1/",
        ] {
            assert_eq!(url(text).to_string(), text);
        }
        assert_eq!(url("https://a.example").to_string(), "https://a.example/");
        assert_eq!(url("http://a.example?q=1#top").path, "/?q=1");
        assert_eq!((url("https://a").port, url("http://a").port), (443, 80));
    }

    #[test]
    fn what_is_no_address_of_a_page_is_refused() {
        for text in [
            "ftp://a/",
            "a.example",
            "http://",
            "http://:80/",
            "http://a:0/",
            "http://a:99999/",
            "http://me:secret@a/",
            "http://a/b c",
            "http://a/\u{8b66}",
            "http://a b/",
            "http://[fd00::1/",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn redirects_lead_where_they_say() {
        let from = url("https://a.example:8443/x/y?z=1");
        for (location, to) in [
            ("https://b.example/n", "https://b.example/n"),
            ("//b.example/n", "https://b.example/n"),
            ("/n?q", "https://a.example:8443/n?q"),
            ("n", "https://a.example:8443/x/n"),
        ] {
            assert_eq!(from.join(location).unwrap().to_string(), to);
        }
        assert!(from.join("http://me@b/").is_err());
    }

    #[test]
    fn any_text_is_an_address_or_refused() {
        bolero::check!().for_each(timed(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            if let Ok(url) = Url::parse(&text) {
                assert_eq!(Url::parse(&url.to_string()), Ok(url));
            }
            let _ = url("http://a/b").join(&text);
        }));
    }
}
