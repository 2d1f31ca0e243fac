//! Who can use the pages: names of fields, order, landmarks, contrast (WCAG 2.2, AA).

use super::{Room, host_id};
use std::collections::HashMap;

/// Text against its ground.
const TEXT: f64 = 4.5;
/// Lines, marks and frames against their ground.
const GRAPHIC: f64 = 3.0;

fn tags<'a>(body: &'a str, name: &str) -> Vec<&'a str> {
    let open = format!("<{name}");
    body.match_indices(&open)
        .map(|(at, _)| &body[at..])
        .filter(|rest| matches!(rest.as_bytes().get(open.len()), Some(b' ' | b'>')))
        .filter_map(|rest| rest.split('>').next())
        .collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let open = format!(" {name}=\"");
    let from = tag.find(&open)? + open.len();
    tag[from..].split('"').next()
}

#[tokio::test]
async fn every_field_has_a_name_and_every_page_its_landmarks() {
    let room = Room::new();
    let host = format!("/hosts/{}", host_id(1));
    let (documents, diagnose) = (format!("{host}/documents"), format!("{host}/diagnose"));
    let document = format!("{documents}/{}", tocsin_vocabulary::DocumentId::from_bytes([1; 16]));
    let pages = [
        "/",
        "/tickets",
        "/report",
        "/t/1042",
        "/t/1041",
        "/t/1042/paper",
        "/hosts",
        &host,
        &documents,
        &document,
        &diagnose,
        "/alerts",
        "/inbox",
        "/planned",
        "/rules",
        "/system",
        "/channels",
        "/help",
        "/sign-in",
        "/roster",
        "/handover",
        "/handover/7",
        "/pin",
        "/intake",
        "/batch",
        "/registers/assets",
        "/registers/assets/new",
        "/registers/spares",
        "/registers/knowledge",
    ];
    for path in pages {
        let login = if path == "/sign-in" { "" } else { "zhao" };
        let body = room.get(login, path, "zh-CN").await.body;
        for kind in ["input", "select", "textarea"] {
            for field in tags(&body, kind) {
                if attribute(field, "type") == Some("hidden") || attribute(field, "aria-label").is_some() {
                    continue;
                }
                let id = attribute(field, "id").unwrap_or_else(|| panic!("{path}: no id: {field}"));
                assert!(
                    body.contains(&format!("<label for=\"{id}\">")),
                    "{path}: no label: {field}"
                );
                assert_eq!(body.matches(&format!(" id=\"{id}\"")).count(), 1, "{path}: {id} twice");
            }
        }
        assert!(
            tags(&body, "th").iter().all(|cell| cell.contains(" scope=\"")),
            "{path}"
        );
        assert!(
            tags(&body, "nav").iter().all(|nav| nav.contains(" aria-label=\"")),
            "{path}"
        );
        assert_eq!(tags(&body, "main").len(), 1, "{path}");
        assert_eq!(tags(&body, "h1").len(), 1, "{path}");
        assert_eq!(tags(&body, "header").len(), 1, "{path}");
        assert!(body.contains("role=\"status\" aria-live=\"polite\""), "{path}");
        assert!(body.contains("<html lang=\"zh-CN\">"), "{path}");
        let order = body
            .split(" tabindex=\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        assert!(
            order.into_iter().all(|index| index == "0" || index == "-1"),
            "{path}: order is that of the page"
        );
    }
}

/// Red, green and blue of `#rrggbb`, linear; the luminance of WCAG.
fn luminance(colour: &str) -> f64 {
    let value = |at: usize| {
        let byte = u8::from_str_radix(&colour[at..at + 2], 16).unwrap_or_else(|_| panic!("{colour}"));
        let share = f64::from(byte) / 255.0;
        if share <= 0.04045 {
            share / 12.92
        } else {
            ((share + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * value(1) + 0.7152 * value(3) + 0.0722 * value(5)
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// The custom properties of the light theme, and of the dark one.
fn palettes() -> [HashMap<String, String>; 2] {
    let mut themes = [HashMap::new(), HashMap::new()];
    for sheet in [tocsin_chart::CHART_CSS, include_str!("../../assets/console.css")] {
        let mut blocks = sheet
            .split(":root {")
            .skip(1)
            .map(|rest| rest.split('}').next().unwrap_or(""));
        let (light, dark) = (blocks.next().unwrap(), blocks.next().unwrap());
        let read = |theme: &mut HashMap<String, String>, block: &str| {
            let pairs = block
                .split(';')
                .filter_map(|line| line.trim().strip_prefix("--")?.split_once(": "));
            theme.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
        };
        read(&mut themes[0], light);
        read(&mut themes[1], light);
        read(&mut themes[1], dark);
    }
    themes
}

#[test]
fn colours_of_both_themes_can_be_told_apart() {
    let on_all = ["ground", "surface"];
    let on_surface = ["surface"];
    let mut pairs: Vec<(&str, &[&str], f64)> = Vec::new();
    for text in [
        "ink", "muted", "accent", "level-1", "level-2", "level-3", "level-4", "bad", "soon", "good",
    ] {
        pairs.push((text, &on_all, TEXT));
    }
    for text in [
        "chart-ink",
        "chart-muted",
        "chart-fault",
        "chart-critical",
        "chart-major",
        "chart-minor",
        "chart-warning",
        "chart-info",
        "chart-maintenance",
    ] {
        pairs.push((text, &on_surface, TEXT));
    }
    for line in [
        "chart-0", "chart-1", "chart-2", "chart-3", "chart-4", "chart-5", "chart-6", "chart-7",
    ] {
        pairs.push((line, &on_surface, GRAPHIC));
    }
    pairs.extend([
        ("ink", &["sunken", "accent-soft", "bad-soft", "good-soft"][..], TEXT),
        ("muted", &["sunken"][..], TEXT),
        ("bad", &["bad-soft"][..], TEXT),
        ("accent", &["accent-soft"][..], TEXT),
        ("accent-ink", &["accent"][..], TEXT),
    ]);
    for (theme, palette) in ["light", "dark"].into_iter().zip(palettes()) {
        for (front, grounds, least) in &pairs {
            for ground in *grounds {
                let ratio = contrast(&palette[*front], &palette[*ground]);
                assert!(ratio >= *least, "{theme}: {front} on {ground}: {ratio:.2}");
            }
        }
    }
    assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 0.01);
}
