//! In a browser: sign in at a desk, see the host; on a phone, accept the ticket of a fault.

use thirtyfour::{By, WebDriver, WebElement};
use tocsin_tests::{
    browser::{Browser, DESK, PHONE},
    fault::Scene,
    patience::until,
    site::{PASSWORD, Site},
};

/// The first element of this kind, once it is there.
async fn see(window: &WebDriver, css: &str) -> WebElement {
    until(&format!("{css} in the browser"), async || {
        window.find(By::Css(css)).await.ok()
    })
    .await
}

/// Presses a link or a button. Pages are live: one that was replaced under the finger is pressed again.
async fn press(window: &WebDriver, css: &str) {
    until(&format!("{css} to be pressed"), async || {
        see(window, css).await.click().await.ok()
    })
    .await;
}

/// Waits until the page says this.
async fn reads(window: &WebDriver, css: &str, text: &str) {
    until(&format!("{css} to say {text}"), async || {
        let element = window.find(By::Css(css)).await.ok()?;
        element.text().await.ok()?.contains(text).then_some(())
    })
    .await;
}

async fn go(window: &WebDriver, site: &Site, path: &str) {
    window.goto(format!("{}{path}", site.console())).await.expect("a page");
}

async fn sign_in(window: &WebDriver, site: &Site) {
    go(window, site, "/").await;
    see(window, "#login").await.send_keys("admin").await.expect("a login");
    see(window, "#password")
        .await
        .send_keys(PASSWORD)
        .await
        .expect("a password");
    press(window, "form .primary").await;
    see(window, "#board").await;
}

/// Nothing has to be scrolled sideways.
async fn fits(window: &WebDriver, what: &str, width: u32) {
    let found = window
        .execute("return document.documentElement.scrollWidth", Vec::new())
        .await
        .expect("a script");
    let found: u32 = found.convert().expect("a number");
    assert!(found <= width, "{what} is {found} px wide on a screen of {width}");
}

/// Nothing on the page was refused by its own content security policy.
async fn keeps_its_policy(window: &WebDriver, what: &str) {
    let script = "const seen = new ReportingObserver(() => {}, { types: ['csp-violation'], buffered: true }); \
        seen.observe(); const refused = seen.takeRecords().length; seen.disconnect(); return refused";
    let refused = window.execute(script, Vec::new()).await.expect("a script");
    let refused: u32 = refused.convert().expect("a number");
    assert_eq!(refused, 0, "{what} breaks its own policy");
}

#[tokio::test]
async fn a_duty_engineer_sees_the_host_at_the_desk_and_accepts_on_the_phone() {
    let Some(browser) = Browser::start().await else { return };
    let mut scene = Scene::set("browser", "").await;
    let desk = browser.open(DESK, "en").await;
    sign_in(&desk, &scene.site).await;
    see(&desk, ".all-calm").await;

    go(&desk, &scene.site, "/hosts").await;
    press(&desk, "#hosts a.strong").await;
    reads(&desk, "#verdict .host-state", "").await;
    see(&desk, "#charts figure svg path").await;
    browser.picture(&desk, "host").await;

    go(&desk, &scene.site, "/").await;
    let (number, _) = scene.cause().await;
    // The board is live: nobody reloads it.
    let row = format!("a[href='/t/{number}']");
    see(&desk, &row).await;
    browser.picture(&desk, "board").await;

    let phone = browser.open(PHONE, "en").await;
    sign_in(&phone, &scene.site).await;
    fits(&phone, "the board", PHONE.width).await;
    browser.picture(&phone, "board-phone").await;
    press(&phone, &row).await;
    see(&phone, "#next").await;
    fits(&phone, "the ticket", PHONE.width).await;
    browser.picture(&phone, "ticket-phone").await;
    press(&phone, "form.step-accept button.primary").await;
    reads(&phone, "#ticket .state", "Accepted").await;
    assert_eq!(scene.site.get(&format!("tickets/{number}")).await["state"], "accepted");
    reads(&desk, "#board .ticket .state", "Accepted").await;
    go(&phone, &scene.site, &format!("/hosts/{}", scene.host.id())).await;
    see(&phone, "#charts figure svg").await;
    see(&phone, "#filesystems table").await;
    see(&phone, "#network").await;
    fits(&phone, "the host's page", PHONE.width).await;
    keeps_its_policy(&phone, "the host's page").await;
    browser.picture(&phone, "host-phone").await;

    go(&desk, &scene.site, &format!("/t/{number}")).await;
    scene.mend();
    reads(&desk, "#ticket .state", "Restored").await;
    browser.picture(&desk, "ticket").await;
    for window in [desk, phone] {
        window.quit().await.expect("the browser closes");
    }
}

#[tokio::test]
async fn a_page_on_a_phone_accepts_without_signing_in_and_speaks_both_languages() {
    let Some(browser) = Browser::start().await else { return };
    let mut scene = Scene::set("link", "").await;
    let (number, page) = scene.cause().await;
    let link = page["link"].as_str().expect("a link");
    let phone = browser.open(PHONE, "en").await;
    phone.goto(link).await.expect("the page's link");
    see(&phone, "h1.wrong").await;
    fits(&phone, "the page's link", PHONE.width).await;
    browser.picture(&phone, "page-phone").await;
    press(&phone, "button.huge").await;
    see(&phone, ".verdict.well").await;
    assert_eq!(scene.site.get(&format!("tickets/{number}")).await["state"], "accepted");

    sign_in(&phone, &scene.site).await;
    for (language, board) in [("zh-CN", "值班台"), ("en", "Board")] {
        let switch = format!("form[action='/language'] button[value='{language}']");
        press(&phone, &switch).await;
        reads(&phone, "#board h1", board).await;
        see(&phone, &format!("html[lang='{language}']")).await;
        fits(&phone, board, PHONE.width).await;
    }
    phone.quit().await.expect("the browser closes");
}
