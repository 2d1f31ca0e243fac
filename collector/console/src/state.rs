//! What every handler shares.

use crate::backend::Backend;
use jiff::tz::TimeZone;
use std::sync::Arc;
use tocsin_desk::policy::Policy;

/// How the console is served.
#[derive(Debug, Clone)]
pub struct ConsoleOptions {
    /// Cookies bear `Secure` and the `__Host-` prefix. False only for plain HTTP on loopback, in tests and previews.
    pub secure_cookies: bool,
    /// Sends `Strict-Transport-Security`, for a site whose certificate every browser trusts.
    pub strict_transport: bool,
    /// The site's zone, in which pages show times.
    pub zone: TimeZone,
    /// The policies of the site: each calls its levels by names of its own.
    pub policies: Vec<Policy>,
}

impl Default for ConsoleOptions {
    fn default() -> Self {
        Self {
            secure_cookies: true,
            strict_transport: false,
            zone: TimeZone::system(),
            policies: Policy::shipped(),
        }
    }
}

/// Backend and options; cheap to clone.
#[derive(Clone)]
pub(crate) struct Console {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) options: Arc<ConsoleOptions>,
}
