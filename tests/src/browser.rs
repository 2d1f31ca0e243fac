//! A headless browser: Debian's Chromium behind its driver, with a fresh profile, ended when dropped.

use crate::{patience::until, program::Running};
use serde_json::json;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;
use thirtyfour::{ChromiumLikeCapabilities as _, DesiredCapabilities, WebDriver};

/// Set to `1` where the browser must be there, so that its absence is a failure.
const REQUIRED: &str = "TOCSIN_REQUIRE_BROWSER";
/// A folder that screenshots are kept in.
const SCREENSHOTS: &str = "TOCSIN_SCREENSHOTS";
/// Chromium talks to nobody but the pages it is shown, and needs neither display nor sandbox.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
];

/// A screen, in CSS pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Whether it is a phone's: touched, and pages are laid out for it.
    pub phone: bool,
}

/// A desk's screen.
pub const DESK: Screen = Screen {
    width: 1440,
    height: 900,
    phone: false,
};
/// A phone's screen.
pub const PHONE: Screen = Screen {
    width: 390,
    height: 844,
    phone: true,
};

/// The driver and a folder for profiles.
pub struct Browser {
    address: String,
    folder: TempDir,
    driver: Running,
}

impl Drop for Browser {
    /// Ends the browsers too: they outlive a driver that is killed. They are those whose profile lies in our folder.
    fn drop(&mut self) {
        self.driver.kill();
        let ours = self.folder.path().display().to_string();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&command).contains(&ours) {
                let _ = Command::new("kill")
                    .arg("-KILL")
                    .arg(entry.file_name())
                    .stderr(Stdio::null())
                    .status();
            }
        }
    }
}

impl Browser {
    /// Starts the driver on a free port; none where there is no browser, which is said.
    ///
    /// # Panics
    /// When it does not start, or is not installed where it is required.
    pub async fn start() -> Option<Self> {
        let there = ["/usr/bin/chromium", "/usr/bin/chromedriver"]
            .iter()
            .all(|path| Path::new(path).is_file());
        if !there {
            let message = "no browser: on Debian, apt-get install chromium chromium-driver";
            assert!(std::env::var(REQUIRED).as_deref() != Ok("1"), "{message}");
            crate::program::skipped("stories in a browser", message);
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new("/usr/bin/chromedriver");
        let driver = Running::start(command.arg("--port=0"), &folder.path().join("driver.log"));
        let port = until("the driver's port", async || {
            let printed = driver.printed();
            let (_, rest) = printed.split_once("successfully on port ")?;
            // The line is whole once its full stop is there.
            rest.split_once('.').and_then(|(port, _)| port.parse::<u16>().ok())
        })
        .await;
        Some(Self {
            address: format!("http://127.0.0.1:{port}"),
            folder,
            driver,
        })
    }

    /// Opens a browser with this screen, without any memory of others.
    ///
    /// # Panics
    /// When it does not open.
    pub async fn open(&self, screen: Screen, language: &str) -> WebDriver {
        let mut wanted = DesiredCapabilities::chrome();
        let profile = tempfile::tempdir_in(self.folder.path()).expect("a folder").keep();
        let flags = FLAGS.map(str::to_owned).into_iter().chain([
            format!("--user-data-dir={}", profile.display()),
            format!("--window-size={},{}", screen.width, screen.height),
            format!("--accept-lang={language}"),
        ]);
        for flag in flags {
            wanted.add_arg(&flag).expect("a flag");
        }
        wanted.set_binary("/usr/bin/chromium").expect("a path");
        if screen.phone {
            let metrics = json!({ "width": screen.width, "height": screen.height, "pixelRatio": 2.0, "touch": true });
            let emulation = json!({ "deviceMetrics": metrics });
            wanted
                .add_experimental_option("mobileEmulation", emulation)
                .expect("an option");
        }
        WebDriver::new(&self.address, wanted).await.expect("the browser opens")
    }

    /// Takes a picture of the page; it is kept when `TOCSIN_SCREENSHOTS` names a folder.
    ///
    /// # Panics
    /// When it can't be taken or written.
    pub async fn picture(&self, window: &WebDriver, name: &str) {
        let folder = std::env::var_os(SCREENSHOTS).map_or_else(|| self.folder.path().to_owned(), PathBuf::from);
        std::fs::create_dir_all(&folder).expect("a folder for pictures");
        let path = folder.join(format!("{name}.png"));
        window.screenshot(&path).await.expect("a picture");
        assert!(
            std::fs::metadata(&path).is_ok_and(|file| file.len() > 1_000),
            "{} shows something",
            path.display()
        );
    }
}
