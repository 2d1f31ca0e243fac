//! What people sign: an approval by phone that is signed later, a photo, a signature drawn on a phone, a rating; and what
//! of it a backup brings back.

use serde_json::json;
use thirtyfour::{By, WebDriver, WebElement};
use tocsin_tests::{
    browser::{Browser, DESK, PHONE},
    patience::until,
    site::{PASSWORD, Site},
    wire::newcomer,
};

/// A JPEG as far as its first bytes say.
const PHOTO: &[u8] = b"\xFF\xD8\xFF\xE0\x00\x10JFIF\x00 the label of a controller";
/// A signature: strokes of points on a sheet of 1 by 1.
const STROKES: [&[(f64, f64)]; 2] = [
    &[(0.1, 0.6), (0.2, 0.2), (0.3, 0.7), (0.4, 0.3), (0.5, 0.6)],
    &[(0.55, 0.2), (0.7, 0.8), (0.85, 0.25)],
];

async fn see(window: &WebDriver, css: &str) -> WebElement {
    until(&format!("{css} in the browser"), async || {
        window.find(By::Css(css)).await.ok()
    })
    .await
}

async fn press(window: &WebDriver, css: &str) {
    until(&format!("{css} to be pressed"), async || {
        see(window, css).await.click().await.ok()
    })
    .await;
}

async fn write(window: &WebDriver, css: &str, text: &str) {
    see(window, css).await.send_keys(text).await.expect("a field");
}

async fn go(window: &WebDriver, site: &Site, path: &str) {
    window.goto(format!("{}{path}", site.console())).await.expect("a page");
}

async fn sign_in(window: &WebDriver, site: &Site) {
    go(window, site, "/").await;
    write(window, "#login", "admin").await;
    write(window, "#password", PASSWORD).await;
    press(window, "form .primary").await;
    see(window, "#board").await;
}

async fn fits(window: &WebDriver, what: &str, width: u32) {
    let script = "return document.documentElement.scrollWidth";
    let found = window.execute(script, Vec::new()).await.expect("a script");
    let found: u32 = found.convert().expect("a number");
    assert!(found <= width, "{what} is {found} px wide on a screen of {width}");
}

/// Draws with a finger.
async fn draw(window: &WebDriver) {
    let sheet = see(window, "#ink-sheet").await;
    sheet.scroll_into_view().await.expect("scrolled");
    let script = "const box = document.getElementById('ink-sheet').getBoundingClientRect(); \
        return [box.left, box.top, box.width, box.height]";
    let place = window.execute(script, Vec::new()).await.expect("a script");
    let [left, top, width, height]: [f64; 4] = place.convert().expect("four numbers");
    let tools = window.cdp();
    let touch = async |kind: &str, points: serde_json::Value| {
        let event = json!({ "type": kind, "touchPoints": points });
        let sent = tools.send_raw("Input.dispatchTouchEvent", event).await;
        sent.expect("a touch");
    };
    for stroke in STROKES {
        for (at, (x, y)) in stroke.iter().enumerate() {
            let kind = if at == 0 { "touchStart" } else { "touchMove" };
            touch(kind, json!([{ "x": left + x * width, "y": top + y * height }])).await;
        }
        touch("touchEnd", json!([])).await;
    }
}

/// A resolved ticket of a new host, with an approval by phone that the lead has signed.
async fn resolved(site: &Site) -> u64 {
    let identity = newcomer(site).await;
    let fault = json!({ "host": identity.host.to_string(), "title": "controller B failed", "severity": "major" });
    let (status, ticket) = site.post("tickets", &fault).await;
    assert_eq!(status, 201, "{ticket}");
    let number = ticket["number"].as_u64().expect("a number");
    let act =
        async |action: &str, body: serde_json::Value| site.post(&format!("tickets/{number}/{action}"), &body).await;
    assert_eq!(act("accept", json!({})).await.0, 200);
    approved(site, number, &act).await;
    assert_eq!(act("restore", json!({})).await.0, 200);
    let words = json!({ "cause": "aged", "solution": "changed" });
    assert_eq!(act("resolve", words).await.0, 200);
    let (status, refused) = act("confirm", json!({})).await;
    assert_eq!(status, 412, "what was granted by phone is not signed: {refused}");
    let wrong = site
        .try_cli(&["paper", "sign", "1", "chen"], "0000")
        .expect_err("a wrong PIN");
    assert!(wrong.contains("the PIN is wrong"), "{wrong}");
    let signed = site.cli_with_input(&["paper", "sign", "1", "chen"], "2580");
    assert!(signed.contains("is signed by `chen`"), "{signed}");
    assert!(site.cli(&["paper", "open"]).contains("no approval waits"));
    number
}

/// Work stands still until the lead allows it by phone.
async fn approved(site: &Site, number: u64, act: &impl AsyncFn(&str, serde_json::Value) -> (u16, serde_json::Value)) {
    let ticket = number.to_string();
    let (from, to) = ("2026-01-01T00:00:00Z", "2100-01-01T00:00:00Z");
    let mut ask = vec![
        "paper",
        "ask",
        &ticket,
        "--what",
        "change controller B",
        "--rollback",
        "the old one",
    ];
    ask.extend(["--risk", "degraded", "--from", from, "--to", to, "--as", "wang"]);
    assert!(site.cli(&ask).contains("approval 1 waits"));
    let (status, held) = act("restore", json!({})).await;
    assert_eq!(status, 412, "{held}");
    assert!(held.to_string().contains("approval 1 waits for its answer"), "{held}");
    let own = site.try_cli(&["paper", "answer", "1", "grant", "--as", "wang"], "");
    assert!(own.expect_err("not theirs").contains("does not allow this"));
    let phone = ["paper", "phone", "1", "grant", "--approver", "chen", "--as", "wang"];
    assert!(site.cli(&phone).contains("granted by phone; `chen` must sign it"));
    assert!(site.cli(&["paper", "open"]).contains("granted by chen, unsigned"));
}

fn people(site: &Site) {
    for (login, role) in [("wang", "operator"), ("chen", "team_lead")] {
        let _ = site.cli(&["user", "add", login, "--role", role]);
    }
    let _ = site.cli_with_input(&["user", "pin", "chen"], "2580");
}

#[tokio::test]
async fn a_customer_signs_on_a_phone_what_was_approved_by_phone_and_a_backup_keeps_both() {
    let mut site = Site::start("").await;
    people(&site);
    let number = resolved(&site).await;
    let ticket = number.to_string();

    let photo = site.path("label.exe");
    std::fs::write(&photo, PHOTO).expect("written");
    let photo = photo.to_str().expect("text");
    let kept = site.cli(&["paper", "attach", &ticket, photo, "--as", "wang"]);
    assert!(kept.contains("file 1 is kept as label.exe.jpg"), "{kept}");

    if let Some(browser) = Browser::start().await {
        in_a_browser(&browser, &site, number).await;
    } else {
        let signed = site.cli(&["paper", "attach", &ticket, photo, "--signed", "--as", "wang"]);
        assert!(signed.contains("file 2"), "{signed}");
        let _ = site.cli(&[
            "paper", "confirm", &ticket, "--file", "2", "--name", "Sun", "--as", "wang",
        ]);
    }
    assert_eq!(site.get(&format!("tickets/{number}")).await["state"], "closed");
    let call = [
        "paper",
        "call",
        &ticket,
        "--whom",
        "Sun",
        "--answer",
        "all is well",
        "--as",
        "wang",
    ];
    assert!(site.cli(&call).contains("call-back 1"));
    let papers = site.cli(&["paper", "show", &ticket]);
    for expected in [
        "label.exe.jpg",
        "granted by chen",
        "confirmation 1",
        "Sun",
        "all is well",
    ] {
        assert!(papers.contains(expected), "{expected}: {papers}");
    }
    assert!(site.cli(&["verify"]).contains("2 attachments"));

    let folder = site.path("backup");
    let folder = folder.to_str().expect("text");
    let _ = site.cli(&["backup", folder]);
    assert!(site.cli(&["verify", folder]).contains("2 attachments"));
    assert!(site.collector().stop().await);
    site.move_to(site.path("elsewhere"));
    let _ = site.cli(&["restore", folder]);
    site.run().await;
    let back = site.path("back.jpg");
    let _ = site.cli(&["paper", "get", &ticket, "1", "--out", back.to_str().expect("text")]);
    assert_eq!(std::fs::read(back).expect("the photo"), PHOTO);
    assert_eq!(site.cli(&["paper", "show", &ticket]), papers);
    assert!(site.cli(&["audit", "verify"]).contains("unbroken"));
}

async fn in_a_browser(browser: &Browser, site: &Site, number: u64) {
    let desk = browser.open(DESK, "en").await;
    sign_in(&desk, site).await;
    let phone = browser.open(PHONE, "zh-CN").await;
    sign_in(&phone, site).await;
    for (window, name, width) in [(&desk, "desk-en", DESK.width), (&phone, "phone-zh", PHONE.width)] {
        for (path, what) in [(String::new(), "ticket"), ("/paper".to_owned(), "papers")] {
            go(window, site, &format!("/t/{number}{path}")).await;
            see(window, "#papers, #approvals").await;
            fits(window, what, width).await;
            browser.picture(window, &format!("{what}-{name}")).await;
        }
    }
    go(&phone, site, "/batch").await;
    fits(&phone, "many tickets at once", PHONE.width).await;
    browser.picture(&phone, "batch-phone-zh").await;
    // From the ticket to the signature with one thumb.
    go(&phone, site, &format!("/t/{number}")).await;
    press(&phone, "form[action$='/paper/offer'] button").await;
    press(&phone, "#link a.button").await;
    write(&phone, "#signer", "Sun").await;
    press(&phone, "button.huge").await;
    let told = see(&phone, ".error[role='alert']").await;
    let told = told.text().await.expect("words");
    assert!(told.contains("尚未签名"), "{told}");
    draw(&phone).await;
    fits(&phone, "the page to sign", PHONE.width).await;
    browser.picture(&phone, "sign-phone-zh").await;
    press(&phone, "button.huge").await;
    see(&phone, ".verdict.well").await;
    press(&phone, "label[for='star-5']").await;
    write(&phone, "#rate-words", "prompt").await;
    browser.picture(&phone, "rate-phone-zh").await;
    press(&phone, "form[action$='/rate'] button.primary").await;
    until("the rating to be thanked for", async || {
        let verdicts = phone.find_all(By::Css(".verdict.well")).await.ok()?;
        (verdicts.len() == 2).then_some(())
    })
    .await;
    go(&desk, site, &format!("/t/{number}/paper")).await;
    let script =
        "return [...document.querySelectorAll('img.ink')].filter((one) => one.complete && one.naturalWidth > 0).length";
    until("the signature to be drawn again", async || {
        let shown = desk.execute(script, Vec::new()).await.ok()?;
        (shown.convert::<u32>().ok()? == 1).then_some(())
    })
    .await;
    browser.picture(&desk, "signed-desk-en").await;
    let words = desk.source().await.expect("the page");
    assert!(words.contains("signed by hand"), "{words}");
    for window in [desk, phone] {
        window.quit().await.expect("the browser closes");
    }
}
