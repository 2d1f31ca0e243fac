//! Documents and diagnoses, on pages and by the API.

use super::{Room, host_id};
use http::StatusCode;
use tocsin_vocabulary::DocumentId;

fn document(n: u8) -> String {
    DocumentId::from_bytes([n; 16]).to_string()
}

#[tokio::test]
async fn parts_that_are_not_well_stand_on_the_host_page_the_worst_first_and_escaped() {
    let room = Room::new();
    let page = room.get("wang", &format!("/hosts/{}", host_id(1)), "en").await.body;
    let failed = page
        .find("Disk &#60;b&#62;sdb")
        .or(page.find("Disk &lt;b&gt;sdb"))
        .unwrap();
    assert!(failed < page.find("<b>Fan FAN1").unwrap());
    assert!(!page.contains("<b>sdb") && !page.contains("<i>fails"));
    assert!(page.contains("All 3 parts") && page.contains("/etc/hosts") && page.contains("Hardware"));
    let none = room.get("wang", &format!("/hosts/{}", host_id(2)), "en").await.body;
    assert!(!none.contains("Inventory</h2>") && !none.contains("Parts that are not well"));
}

#[tokio::test]
async fn a_host_that_has_something_of_everything_shows_it_in_both_languages_what_is_not_well_first() {
    let room = Room::new();
    for (language, member, clock, hung) in [
        ("en", "Array member md0/sdb1", "synchronized", "does not answer"),
        (
            "zh-CN",
            "\u{9635}\u{5217}\u{6210}\u{5458} md0/sdb1",
            "\u{5df2}\u{540c}\u{6b65}",
            "\u{65e0}\u{54cd}\u{5e94}",
        ),
    ] {
        let page = room.get("wang", &format!("/hosts/{}", host_id(3)), language).await.body;
        for section in [
            "disks",
            "volumes",
            "filesystems",
            "network",
            "adapters",
            "hardware",
            "units",
            "groups",
            "clock",
            "agent",
        ] {
            assert!(page.contains(&format!("<section id=\"{section}\"")), "{section}");
        }
        for text in [
            member,
            clock,
            hung,
            "class=\"unseen hatched\"",
            "1 / 2",
            "3 / 4",
            "10 Gbit/s",
        ] {
            assert!(page.contains(text), "{text}");
        }
        assert!(
            page.contains("class=\"verdict wrong\""),
            "a failed disk is not well although no rule speaks of it"
        );
        let disks = page.find("id=\"disks\"").unwrap();
        let at = |name: &str| page[disks..].find(name).unwrap();
        assert!(at("<b>sdb</b>") < at("<b>sda</b>"));
        for list in ["part-type-", "part-detail-", "column-", "sheet-", "watched-", "unseen-"] {
            assert!(!page.contains(&format!(">{list}")), "{list}: a word is missing");
        }
    }
}

#[tokio::test]
async fn a_file_is_shown_with_what_changed_and_its_versions_in_both_languages() {
    let room = Room::new();
    let path = format!("/hosts/{}/documents/{}", host_id(1), document(1));
    for language in ["en", "zh-CN"] {
        let page = room.get("wang", &path, language).await.body;
        assert!(page.contains("<del>-10.0.0.1 db</del>"), "{page}");
        assert!(
            page.contains("<ins>+10.0.0.2 db ") && !page.contains("db <script>"),
            "{page}"
        );
        assert!(page.contains(&document(0)), "the version before");
        assert!(!page.contains("document-"), "a word is missing: {page}");
    }
    let first = room
        .get(
            "wang",
            &format!("/hosts/{}/documents/{}", host_id(1), document(0)),
            "en",
        )
        .await
        .body;
    assert!(!first.contains("What changed since"));
    let tables = room
        .get(
            "wang",
            &format!("/hosts/{}/documents/{}", host_id(1), document(3)),
            "en",
        )
        .await
        .body;
    assert!(
        tables.contains("<th scope=\"col\">serial</th>") && !tables.contains("<S1>"),
        "{tables}"
    );
}

#[tokio::test]
async fn the_api_gives_texts_differences_and_parts() {
    let room = Room::new();
    let root = format!("/api/v1/hosts/{}", host_id(1));
    let listed = room.api("wang", "GET", &format!("{root}/documents"), "").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 3);
    let versions = format!("{root}/documents?kind=file&name=%2Fetc%2Fhosts");
    let versions = room.api("wang", "GET", &versions, "").await.json();
    assert_eq!(versions["items"].as_array().unwrap().len(), 2);
    let one = room
        .api("wang", "GET", &format!("{root}/documents/{}", document(1)), "")
        .await
        .json();
    assert_eq!(
        (one["name"].as_str(), one["attributes"]["owner"].as_str()),
        (Some("/etc/hosts"), Some("root"))
    );
    assert!(one["text"].as_str().unwrap().ends_with("<script>\n"));
    let diff = room
        .api("wang", "GET", &format!("{root}/documents/{}/diff", document(1)), "")
        .await
        .json();
    assert_eq!(diff["from"].as_str(), Some(document(0).as_str()));
    assert!(
        diff["diff"]
            .as_str()
            .unwrap()
            .contains("\n-10.0.0.1 db\n+10.0.0.2 db <script>\n")
    );
    let ill = room
        .api("wang", "GET", &format!("{root}/parts?ill=true"), "")
        .await
        .json();
    assert_eq!(ill["items"].as_array().unwrap().len(), 2);
    assert_eq!(ill["items"][0]["status"], "failed");
    let theirs = format!("/api/v1/hosts/{}/documents/{}", host_id(2), document(1));
    assert_eq!(room.api("wang", "GET", &theirs, "").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_diagnosis_is_asked_by_those_who_may_and_audited() {
    let room = Room::new();
    let page = format!("/hosts/{}/diagnose", host_id(1));
    let shown = room.get("wang", &format!("{page}?ticket=1042"), "en").await.body;
    assert!(shown.contains("kept with ticket #1042"), "{shown}");
    let asked = room.post("wang", &page, "ticket=1042").await;
    assert_eq!(
        (asked.status, asked.place()),
        (StatusCode::SEE_OTHER, "/t/1042#diagnoses")
    );
    assert_eq!(room.fake.audited(), ["host.diagnose"]);
    let api = format!("/api/v1/hosts/{}/diagnoses", host_id(1));
    assert_eq!(
        room.api("wang", "POST", &api, "{\"ticket\": 1042}").await.status,
        StatusCode::ACCEPTED
    );
    assert_eq!(
        room.api("wang", "POST", &api, "{\"command\": \"x\"}").await.status,
        StatusCode::BAD_REQUEST
    );
    for login in ["qian", "sun"] {
        assert_eq!(room.post(login, &page, "").await.status, StatusCode::FORBIDDEN);
        assert_eq!(room.api(login, "POST", &api, "").await.status, StatusCode::FORBIDDEN);
    }
    let away = format!("/hosts/{}/diagnose", host_id(5));
    let refused = room.post("wang", &away, "").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.body.contains("not connected"));
    let other = room
        .post("wang", &format!("/hosts/{}/diagnose", host_id(2)), "ticket=1042")
        .await;
    assert_eq!(other.status, StatusCode::BAD_REQUEST);
    let ticket = room.get("wang", "/t/1042", "en").await.body;
    assert!(
        ticket.contains("Diagnostic snapshots") && ticket.contains(&document(4)),
        "{ticket}"
    );
}
