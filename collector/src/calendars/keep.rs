//! Imported notices take effect in a running collector at once, and one that is missing in December is told of.

use super::{folder, imported, load, missing_words};
use crate::{
    config::Config,
    duty::{Room, Word},
    engine::Command,
};
use arc_swap::ArcSwap;
use notify::{RecursiveMode, Watcher as _};
use std::{sync::Arc, time::Duration};
use tocsin_console::backend::{Change, Failure};
use tocsin_desk::{calendar::Calendars, model::PageReason};
use tocsin_vocabulary::{Text, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// A file is written in several steps; this long after the last one the folder is read.
const SETTLE: Duration = Duration::from_millis(100);
/// The folder is read this often even if nothing was heard: not every file system tells.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The calendars that count, shared by all who show them.
pub(crate) type Shared = Arc<ArcSwap<Calendars>>;

/// Looks after the calendars until cancelled.
pub(crate) async fn keep(config: Config, shared: Shared, room: Arc<Room>, cancel: CancellationToken) {
    let changed = Arc::new(Notify::new());
    let bell = changed.clone();
    let folder = folder(&config);
    let heard = move |event: notify::Result<notify::Event>| {
        // Reading the folder is heard here too, and would be followed by the next.
        if !event.is_ok_and(|event| event.kind.is_access()) {
            bell.notify_one();
        }
    };
    let watcher = std::fs::create_dir_all(&folder)
        .map_err(notify::Error::io)
        .and_then(|()| notify::recommended_watcher(heard))
        .and_then(|mut watcher| {
            watcher.watch(&folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
    if let Err(error) = &watcher {
        tracing::warn!(folder = %folder.display(), %error, "cannot watch imported holidays; reading them every 30 s");
    }
    if !imported(&folder, &mut Vec::new()).is_empty() {
        // One may have been imported while no collector ran.
        room.engine.send(Command::Calendars(shared.load_full())).await;
    }
    loop {
        if let Err(failure) = warn(&room, &shared.load(), (room.clock)()).await {
            tracing::warn!(reason = failure.reason, "cannot tell of missing holidays; trying again");
        }
        tokio::select! {
            () = cancel.cancelled() => return,
            () = changed.notified() => tokio::time::sleep(SETTLE).await,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let (calendars, complaints) = load(&config);
        if calendars == **shared.load() {
            continue;
        }
        for complaint in complaints {
            tracing::warn!(complaint, "a calendar is incomplete");
        }
        let calendars = Arc::new(calendars);
        tracing::info!(years = ?calendars.holidays().years(), "holidays loaded again: open tickets are counted anew");
        shared.store(calendars.clone());
        room.engine.send(Command::Calendars(calendars)).await;
        room.live.ring(Change::Desk);
    }
}

/// Tells the team leads, once for each year, that its notice is missing.
async fn warn(room: &Room, calendars: &Calendars, now: Timestamp) -> Result<(), Failure> {
    for year in calendars.missing_notices(now) {
        let Some(words) = missing_words(&[year]) else {
            continue;
        };
        let word = Word {
            name: &format!("holidays-{year}"),
            percent: 100,
            reason: PageReason::Notice,
            title: Text::new(
                format!("The public holidays of {year} are not known"),
                format!("缺少 {year} 年节假日安排"),
            ),
            body: Text::new(
                words,
                format!(
                    "{year} 年暂按普通工作日计算时限。请导入国务院办公厅通知：tocsin-collector calendar import FILE"
                ),
            ),
        };
        room.tell_leads(&word, now).await?;
    }
    Ok(())
}
