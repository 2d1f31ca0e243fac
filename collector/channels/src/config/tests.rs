//! Tables as administrators write them, with all their mistakes.

use super::*;

#[derive(Deserialize)]
struct Top {
    channel: Vec<ChannelConfig>,
}

fn channels(toml: &str) -> Vec<ChannelConfig> {
    toml::from_str::<Top>(toml).unwrap().channel
}

#[test]
fn the_documented_tables_are_read() {
    let text: String = include_str!("../config.rs")
        .lines()
        .skip_while(|line| *line != "//! ```toml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| format!("{}\n", line.trim_start_matches("//!")))
        .collect();
    let channels = channels(&text);
    assert_eq!(
        channels.iter().map(ChannelConfig::name).collect::<Vec<_>>(),
        ["robot", "mail"]
    );
    assert!(
        channels.iter().all(|channel| channel.mistakes().is_empty()),
        "{channels:?}"
    );
    let Kind::Mail(mail) = &channels[1].kind else {
        panic!("the second is mail")
    };
    assert_eq!(mail.port(), 587);
}

#[test]
fn an_unknown_setting_is_refused_and_not_ignored() {
    let text = "[[channel]]\nname = \"x\"\nkind = \"webhook\"\nurl = \"https://a\"\nsecret = \"s\"";
    assert!(
        toml::from_str::<Top>(text)
            .err()
            .unwrap()
            .to_string()
            .contains("secret")
    );
}

#[test]
fn all_mistakes_of_all_tables_are_told_together() {
    let configs = channels(
        r#"
        [[channel]]
        name = "Robot 1"
        kind = "webhook"
        url = "http://me:pw@robots.example.com/"
        [[channel]]
        name = "mail"
        kind = "mail"
        host = "mail.example.com"
        security = "none"
        from = "nobody"
        username = "tocsin"
        [[channel]]
        name = "signed"
        kind = "webhook"
        url = "http://127.0.0.1:1/"
        secret_file = "/nonexistent/secret"
        ca_file = "/nonexistent/ca.pem"
        "#,
    );
    let none = |_: &str| -> Result<Arc<dyn crate::spool::SmsTables>, String> { Err("no database".to_owned()) };
    let BuildError(mistakes) = build(&configs, none).err().unwrap();
    let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    assert_eq!(mistakes.len(), 8, "{mistakes:#?}");
    assert!(
        mistakes[6].starts_with("channel `signed`: `ca_file`: cannot read /nonexistent/ca.pem")
            && mistakes[7].starts_with("channel `signed`: `secret_file`: cannot read /nonexistent/secret"),
        "{mistakes:#?}"
    );
}

#[test]
fn plain_text_is_only_spoken_to_this_machine_or_on_request() {
    let webhook = |url: &str, insecure: bool| {
        let text = format!("[[channel]]\nname = \"robot\"\nkind = \"webhook\"\nurl = \"{url}\"\ninsecure = {insecure}");
        channels(&text).remove(0)
    };
    for url in [
        "http://127.0.0.1:8080/",
        "http://[::1]/",
        "http://localhost/",
        "https://robots.example.com/",
    ] {
        assert_eq!(webhook(url, false).mistakes(), Vec::<String>::new(), "{url}");
    }
    for url in [
        "http://10.0.0.1/",
        "http://localhost.example.com/",
        "ftp://localhost/",
        "robots",
    ] {
        assert_eq!(webhook(url, false).mistakes().len(), 1, "{url}");
    }
    assert!(webhook("http://10.0.0.1/", true).mistakes().is_empty());
}
