//! The pages of rules: list, one rule, replay.

use super::Room;
use http::StatusCode;

#[tokio::test]
async fn a_rule_is_read_aloud_with_its_states_and_its_text() {
    let room = Room::new();
    let list = room.get("zhao", "/rules", "en").await.body;
    assert!(list.contains("href=\"/rules/filesystem-full\""), "{list}");
    assert!(list.contains("did you mean `above`?"), "a refused edit is told: {list}");
    for (language, raises, state) in [("en", "Raises", "raised"), ("zh-CN", "触发条件", "告警中")] {
        let reply = room.get("qian", "/rules/filesystem-full", language).await;
        assert_eq!(reply.status, StatusCode::OK);
        for part in [
            raises,
            state,
            "hosts.toml:3",
            "mountpoint=/data",
            "nearly full for a minute",
            "- expected at 3m: raised",
            "[[rule]]",
            "/replay?rule=filesystem-full",
        ] {
            assert!(reply.body.contains(part), "{language} {part}: {}", reply.body);
        }
    }
    assert_eq!(
        room.get("zhao", "/rules/no-such-rule", "en").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        room.get("sun", "/rules/filesystem-full", "en").await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn a_replay_tells_mistakes_or_what_would_have_fired() {
    let room = Room::new();
    let form = room.get("wang", "/replay?rule=filesystem-full", "en").await.body;
    assert!(
        form.contains("name = &#34;filesystem-full&#34;") || form.contains("filesystem-full"),
        "{form}"
    );
    let period = "from=2026-11-21T00:00&to=2026-11-22T00:00&hosts=db-*";
    let wrong = room.post("wang", "/replay", &format!("text=nonsense&{period}")).await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(
        wrong.body.contains("no rule; begin it with") && wrong.body.contains("nonsense"),
        "{}",
        wrong.body
    );
    let done = room
        .post("wang", "/replay", &format!("text=%5B%5Brule%5D%5D&{period}"))
        .await;
    assert_eq!(done.status, StatusCode::OK);
    for part in [
        "8640",
        "would have",
        "A file system is nearly full",
        "3 more are not shown",
    ] {
        assert!(done.body.contains(part), "{part}: {}", done.body);
    }
    let timeless = room
        .post("wang", "/replay", "text=%5B%5Brule%5D%5D&from=soon&to=later")
        .await;
    assert_eq!(timeless.status, StatusCode::BAD_REQUEST);
    assert_eq!(room.post("sun", "/replay", period).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_rule_is_read_aloud_to_programs_too() {
    let room = Room::new();
    let rule = room
        .api("wang", "GET", "/api/v1/rules/filesystem-full", "")
        .await
        .json();
    assert_eq!(
        (rule["name"].as_str(), rule["line"].as_u64()),
        (Some("filesystem-full"), Some(3))
    );
    let first = &rule["sentences"][0];
    assert!(
        first["title"]["en"].is_string() && first["words"]["zh-CN"].is_string(),
        "{rule}"
    );
    assert!(
        rule["states"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["state"] == "raised"),
        "{rule}"
    );
    let none = room.api("wang", "GET", "/api/v1/rules/no-such-rule", "").await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    let customer = room.api("sun", "GET", "/api/v1/rules/filesystem-full", "").await;
    assert_eq!(customer.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn programs_replay_rules_in_force_or_changed() {
    let room = Room::new();
    let ask = |rest: &str| format!(r#"{{"from":"2026-11-21T00:00:00Z","to":"2026-11-22T00:00:00Z",{rest}}}"#);
    for rest in [
        r#""rules":["filesystem-full"]"#,
        r#""text":"[[rule]]","hosts":["db-*"]"#,
    ] {
        let done = room.api("wang", "POST", "/api/v1/replay", &ask(rest)).await.json();
        assert_eq!(done["ticks"], 8640, "{done}");
        assert!(
            done["tallies"][0]["would"].is_u64() && done["alerts"][0]["title"]["en"].is_string(),
            "{done}"
        );
    }
    for (rest, status, part) in [
        (
            r#""text":"nonsense""#,
            StatusCode::BAD_REQUEST,
            "no rule; begin it with",
        ),
        (r#""rules":["no-such-rule"]"#, StatusCode::NOT_FOUND, "no-such-rule"),
        (r#""hosts":[]"#, StatusCode::BAD_REQUEST, "either `text`"),
        (
            r#""text":"","rules":["filesystem-full"]"#,
            StatusCode::BAD_REQUEST,
            "either `text`",
        ),
        (r#""txt":"""#, StatusCode::BAD_REQUEST, "txt"),
    ] {
        let refused = room.api("wang", "POST", "/api/v1/replay", &ask(rest)).await;
        assert_eq!(refused.status, status, "{rest}");
        assert!(refused.body.contains(part), "{rest}: {}", refused.body);
    }
    let soon = room
        .api("wang", "POST", "/api/v1/replay", r#"{"from":"soon","text":""}"#)
        .await;
    assert!(soon.body.contains("field `from`"), "{}", soon.body);
    let customer = room.api("sun", "POST", "/api/v1/replay", &ask(r#""text":"""#)).await;
    assert_eq!(customer.status, StatusCode::FORBIDDEN);
}
