//! Templates of messages: words with `{names}` in braces, one pass, no logic. `{{` and `}}` are braces.

/// The names that a message's template may use.
pub const NAMES: &[&str] = &[
    "number",
    "level",
    "title",
    "asset",
    "customer",
    "site",
    "reason",
    "body",
    "since",
    "left",
    "link",
    "staff",
    "person",
    "drill",
    "resent",
    "customer_call",
];

/// What is wrong with a message's template; none when it can be used.
pub(crate) fn mistake(template: &str) -> Option<String> {
    let is_numbered = names(template, "number") || names(template, "customer_call");
    let numberless = || "put `{number}` into it: every message names its ticket".to_owned();
    unknown(template, NAMES).or_else(|| (!is_numbered).then(numberless))
}

/// Whether a template uses a name.
pub(crate) fn names(template: &str, wanted: &str) -> bool {
    let mut is_named = false;
    fill(template, &mut |name| {
        is_named |= name == wanted;
        String::new()
    });
    is_named
}

/// The first name that is none of `names`, or an open brace, in words.
pub(crate) fn unknown(template: &str, names: &[&str]) -> Option<String> {
    let mut strange = None;
    let filled = fill(template, &mut |name| {
        if !names.contains(&name) && strange.is_none() {
            strange = Some(name.to_owned());
        }
        String::new()
    });
    match (filled, strange) {
        (None, _) => Some("a brace is not closed; write {{ for a brace".to_owned()),
        (_, Some(name)) => Some(format!("`{{{name}}}` is unknown: use one of {}", names.join(", "))),
        _ => None,
    }
}

/// The template with what `value` says for each name; none when a brace is not closed.
pub(crate) fn fill(template: &str, value: &mut dyn FnMut(&str) -> String) -> Option<String> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        if rest[at + 1..].starts_with(brace) {
            out.push_str(brace);
            rest = &rest[at + 2..];
        } else if brace == "}" {
            out.push('}');
            rest = &rest[at + 1..];
        } else {
            let end = rest[at..].find('}')?;
            out.push_str(&value(&rest[at + 1..at + end]));
            rest = &rest[at + end + 1..];
        }
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_filled_in_once_and_braces_can_be_written() {
        let filled = fill("工单{number} {{x}} {title}", &mut |name| {
            format!("<{name}{{number}}>")
        });
        assert_eq!(filled.unwrap(), "工单<number{number}> {x} <title{number}>");
        assert_eq!(fill("{open", &mut |_| String::new()), None);
    }

    #[test]
    fn an_unknown_name_is_told_with_those_that_are_known() {
        assert_eq!(mistake("工单{number}"), None);
        assert!(mistake("{nummer}").unwrap().contains("nummer"));
        assert!(mistake("{number").unwrap().contains("not closed"));
    }

    #[test]
    fn any_text_is_a_template_or_refused() {
        bolero::check!().for_each(|bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            let _ = mistake(&text);
        });
    }
}
