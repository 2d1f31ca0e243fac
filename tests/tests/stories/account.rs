//! What is accounted for, across real processes: a hotline list becomes tickets, a ticket a downtime, the customer's word a
//! later end of maintenance; reports are written, reviewed and issued; sheets go out and in; and all of it on a phone.

use serde_json::{Value, json};
use thirtyfour::{By, WebDriver};
use tocsin_tests::{
    browser::{Browser, DESK, PHONE, Screen},
    patience::until,
    site::{PASSWORD, Site},
};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// A customer with a contract and an asset; people of the house and of the customer.
async fn furnished() -> Site {
    let site = Site::start("").await;
    for (login, role) in [("wang", "operator"), ("li", "operator"), ("chen", "team_lead")] {
        let _ = site.cli(&["user", "add", login, "--role", role]);
    }
    for (book, sheet) in [
        ("customers", "name\nFirst Bank\n"),
        ("sites", "name,customer\nhall 1,First Bank\n"),
        (
            "contracts",
            "name,customer,starts_on,ends_on,停运取整\nmain,First Bank,2020-01-01,2099-12-31,up\n",
        ),
        (
            "assets",
            "name,customer,contract,site\ncore-db,First Bank,main,hall 1\n",
        ),
    ] {
        let done = site.cli_with_input(&["register", "import", book, "-"], sheet);
        assert!(done.contains("1 new"), "{done}");
    }
    let customer = [
        "user",
        "add",
        "mr-li",
        "--role",
        "customer",
        "--customer",
        "First Bank",
        "--password-stdin",
    ];
    let _ = site.cli_with_input(&customer, PASSWORD);
    site
}

/// A ticket that was worked on to its end; answers its number.
async fn worked_on(site: &Site) -> String {
    let list = "customer,asset,title,severity,caller\nFirst Bank,core-db,the database stops,critical,Mr Li\n";
    let opened = site.cli_with_input(&["ticket", "import", "-", "--as", "wang"], list);
    let number = opened.split('#').nth(1).expect("a number").trim().to_owned();
    for (step, body) in [
        ("accept", json!({})),
        ("restore", json!({})),
        ("resolve", json!({ "cause": "disk full", "solution": "made room" })),
    ] {
        let (status, answer) = site.post(&format!("tickets/{number}/{step}"), &body).await;
        assert_eq!(status, 200, "{step}: {answer}");
    }
    number
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn downtime_is_claimed_agreed_and_moves_the_end_of_maintenance() {
    let site = furnished().await;
    let number = worked_on(&site).await;
    let claim = [
        "downtime",
        "claim",
        &number,
        "--cause",
        "ours",
        "--words",
        "the database stopped",
        "--as",
        "wang",
        "--from",
        "2026-03-01T00:00:00+08:00",
        "--to",
        "2026-03-02T01:00:00+08:00",
    ];
    assert!(site.cli(&claim).contains("waits for the customer's word"));
    let shown = || parsed(&site.cli(&["maintenance", "show", "main", "--json"]));
    assert_eq!(shown()["contracts"][0]["extension"]["days"], 0, "nobody has agreed yet");
    let agreed = site.cli(&[
        "downtime", "agree", "1", "--who", "Mr Li", "--how", "paper", "--as", "wang",
    ]);
    assert!(agreed.contains("extended by 2 days, to 2100-01-02"), "{agreed}");
    assert_eq!(shown()["contracts"][0]["extension"]["ends_on"], "2100-01-02");
    let twice = site.try_cli(&["downtime", "agree", "1", "--who", "x", "--as", "wang"], "");
    assert!(twice.expect_err("agreed").contains("it takes no `agree`"));

    // A correction counts once it is agreed; both stay on record, and so do both moves.
    let correct = [
        "downtime",
        "correct",
        "1",
        "--cause",
        "ours",
        "--words",
        "by the log it was shorter",
        "--as",
        "wang",
        "--from",
        "2026-03-01T00:00:00+08:00",
        "--to",
        "2026-03-01T03:00:00+08:00",
    ];
    let _ = site.cli(&correct);
    assert_eq!(shown()["contracts"][0]["extension"]["days"], 2);
    let _ = site.cli(&["downtime", "agree", "1", "--who", "Mr Li", "--as", "chen"]);
    assert_eq!(shown()["contracts"][0]["extension"]["days"], 1);
    assert_eq!(shown()["contracts"][0]["moves"].as_array().map(Vec::len), Some(2));
    let march = ["availability", "--from", "2026-03-01", "--to", "2026-03-10", "--json"];
    let ratio = parsed(&site.cli(&march))["contracts"][0]["ratio"]
        .as_f64()
        .expect("a share");
    assert!((ratio - (1.0 - 3.0 / 240.0)).abs() < 1e-9, "{ratio}");

    let pure = site.cli(&[
        "maintenance",
        "end",
        "--ends",
        "2026-12-31",
        "--down",
        "25h",
        "--down",
        "3h",
    ]);
    assert_eq!(pure.trim(), "2027-01-02");
    assert!(site.cli(&["audit", "verify"]).contains("unbroken"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sheets_go_out_and_in_and_tell_every_mistake_with_its_place() {
    let site = furnished().await;
    let file = site.path("assets.xlsx");
    let name = file.to_str().expect("text");
    assert!(site.cli(&["asset", "export", name]).contains("rows in"));
    assert!(site.cli(&["asset", "import", name]).contains("0 new, 0 changed"));
    let as_contracts = site.try_cli(&["register", "import", "contracts", name], "");
    let refused = as_contracts.expect_err("these are no contracts");
    assert!(
        refused.contains("sheet `assets` row 1: unknown column `kind`"),
        "{refused}"
    );

    let list = "客户,维保对象,停运开始,停运结束,责任\nFirst Bank,core-db,2026-03-01 00:00,2026-03-01 05:00,我方\n";
    let read = site.cli_with_input(&["downtime", "import", "-", "--as", "wang"], list);
    assert!(read.contains("1 downtimes wait"), "{read}");
    let wrong = "customer,asset,from,to,cause\nFirst Bank,nothing,x,2026-03-01,weather\n";
    let refused = site
        .try_cli(&["downtime", "import", "-", "--as", "wang"], wrong)
        .expect_err("refused");
    for expected in ["line 2: asset `nothing`", "line 2: from `x`", "line 2: cause `weather`"] {
        assert!(refused.contains(expected), "{refused}");
    }
    let number = worked_on(&site).await;
    let exported = site.cli(&["ticket", "export"]);
    assert!(exported.contains(&format!("{number},fault,resolved")), "{exported}");
    let book = site.path("tickets.xlsx");
    let _ = site.cli(&["ticket", "export", book.to_str().expect("text")]);
    assert!(std::fs::read(&book).expect("a workbook").starts_with(b"PK"));
    let damaged = site.path("damaged.xlsx");
    std::fs::write(&damaged, b"PK\x03\x04 and nothing more").expect("written");
    let output = site
        .command(&["asset", "import", damaged.to_str().expect("text")])
        .output()
        .expect("run");
    assert_eq!(
        output.status.code(),
        Some(2),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_report_is_owed_drafted_written_reviewed_and_issued() {
    let site = furnished().await;
    let number = worked_on(&site).await;
    let owed = site.cli(&["ticket", "reports"]);
    assert!(owed.contains("incident") && owed.contains("service"), "{owed}");
    let draft = site.cli(&["ticket", "report", &number, "incident", "--lang", "en"]);
    assert!(draft.contains("disk full") && draft.contains("made room"), "{draft}");
    let write = |section: &'static str| {
        [
            "ticket",
            "write",
            &number,
            "incident",
            "--section",
            section,
            "--as",
            "wang",
        ]
    };
    let _ = site.cli(&write("cause=the disk was full"));
    let stamp = |word, login| site.try_cli(&["ticket", "stamp", &number, "incident", word, "--as", login], "");
    let empty = stamp("review", "li").expect_err("sections are empty");
    assert!(empty.contains("section `prevention` is empty"), "{empty}");
    let _ = site.cli(&write("handling=logs were removed"));
    let _ = site.cli(&write("prevention=a forecast"));
    let own = stamp("review", "wang").expect_err("its own writer");
    assert!(own.contains("ask somebody else"), "{own}");
    stamp("review", "li").expect("reviewed");
    assert!(stamp("issue", "li").expect_err("no lead").contains("may not do that"));
    stamp("issue", "chen").expect("issued");
    let markdown = site.cli(&["ticket", "report", &number, "incident", "--lang", "en"]);
    for expected in [
        "# Incident report",
        "First Bank",
        "the disk was full",
        "a forecast",
        "## Timeline",
    ] {
        assert!(markdown.contains(expected), "{expected}: {markdown}");
    }
    let first = ["ticket", "report", &number, "incident", "--version", "1", "--json"];
    assert_eq!(parsed(&site.cli(&first))["versions"], 3, "every version is kept");
}

async fn go(window: &WebDriver, site: &Site, path: &str) {
    window.goto(format!("{}{path}", site.console())).await.expect("a page");
}

async fn see(window: &WebDriver, css: &str) -> thirtyfour::WebElement {
    until(&format!("{css} in the browser"), async || {
        window.find(By::Css(css)).await.ok()
    })
    .await
}

async fn sign_in(window: &WebDriver, site: &Site, login: &str) {
    go(window, site, "/").await;
    see(window, "#login").await.send_keys(login).await.expect("a login");
    see(window, "#password")
        .await
        .send_keys(PASSWORD)
        .await
        .expect("a password");
    see(window, "form .primary").await.click().await.expect("pressed");
    see(window, "#board").await;
}

/// Nothing has to be scrolled sideways; a picture is taken.
async fn looks(browser: &Browser, window: &WebDriver, screen: Screen, name: &str) {
    let script = "return document.documentElement.scrollWidth";
    let found = window.execute(script, Vec::new()).await.expect("a script");
    let found: u32 = found.convert().expect("a number");
    assert!(
        found <= screen.width,
        "{name} is {found} px wide on a screen of {}",
        screen.width
    );
    let kind = if screen.phone { "phone" } else { "desk" };
    browser.picture(window, &format!("account-{name}-{kind}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_agrees_with_one_thumb_and_every_page_fits_a_phone_in_both_languages() {
    let Some(browser) = Browser::start().await else { return };
    let site = furnished().await;
    let number = worked_on(&site).await;
    let claim = [
        "downtime",
        "claim",
        &number,
        "--cause",
        "ours",
        "--words",
        "the database stopped",
        "--as",
        "wang",
        "--from",
        "2026-03-01T00:00:00+08:00",
        "--to",
        "2026-03-02T01:00:00+08:00",
    ];
    let _ = site.cli(&claim);
    let write = [
        "ticket",
        "write",
        &number,
        "incident",
        "--section",
        "cause=disk",
        "--as",
        "wang",
    ];
    let _ = site.cli(&write);

    let phone = browser.open(PHONE, "zh-CN").await;
    sign_in(&phone, &site, "mr-li").await;
    go(&phone, &site, "/downtimes/1").await;
    looks(&browser, &phone, PHONE, "customer-zh").await;
    see(&phone, "form[action='/downtimes/1/agree'] .primary")
        .await
        .click()
        .await
        .expect("pressed");
    until("the downtime to be agreed", async || {
        let state = phone.find(By::Css(".state.big")).await.ok()?;
        state.text().await.ok()?.contains("已确认").then_some(())
    })
    .await;
    let shown = parsed(&site.cli(&["maintenance", "show", "main", "--json"]));
    assert_eq!(shown["contracts"][0]["extension"]["days"], 2);
    phone.quit().await.expect("the browser closes");

    let contract = shown["contracts"][0]["id"].as_str().expect("an id").to_owned();
    let pages = [
        ("accounts", "/accounts?from=2026-03-01&to=2026-03-31".to_owned()),
        (
            "contract",
            format!("/accounts/contracts/{contract}?from=2026-03-01&to=2026-03-31"),
        ),
        ("downtime", "/downtimes/1".to_owned()),
        ("claim", format!("/t/{number}/downtime")),
        ("times", format!("/t/{number}/times")),
        ("report", format!("/t/{number}/reports/incident")),
        ("paper", format!("/t/{number}/reports/incident/paper")),
        ("spares", "/registers/spares".to_owned()),
        ("ticket", format!("/t/{number}")),
    ];
    for (screen, language) in [(PHONE, "zh-CN"), (PHONE, "en"), (DESK, "zh-CN"), (DESK, "en")] {
        let window = browser.open(screen, language).await;
        sign_in(&window, &site, "admin").await;
        for (name, path) in &pages {
            go(&window, &site, path).await;
            see(&window, "main h1").await;
            looks(&browser, &window, screen, &format!("{name}-{language}")).await;
        }
        window.quit().await.expect("the browser closes");
    }
}
