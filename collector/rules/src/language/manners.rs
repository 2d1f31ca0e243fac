//! How a rule behaves beside what it looks at: flapping, and where to read more.

use super::{HOLD_MAX, fields::Fields};
use crate::rule::Flapping;

/// Bytes of a link.
const LINK_BYTES_MAX: usize = 500;

/// `flapping = false`, or `flapping = { raises = 3, within = "30m", calm = "10m" }`.
pub(super) fn read_flapping(fields: &mut Fields<'_>) -> Option<Flapping> {
    if !fields.has("flapping") {
        return Some(Flapping::DEFAULT);
    }
    if fields.is_flag("flapping") {
        return fields.flag("flapping").filter(|on| *on).map(|_| Flapping::DEFAULT);
    }
    let (table, start) = fields.table("flapping", "{ raises = 5, within = \"1h\", calm = \"15m\" }, or false")?;
    let mut inner = fields.inner(table, start);
    inner.refuse_unknown(&["raises", "within", "calm"], "flapping");
    let default = Flapping::DEFAULT;
    let raises = inner.number("raises").unwrap_or(f64::from(default.raises));
    if !(2.0..=20.0).contains(&raises) || raises.fract() != 0.0 {
        inner.error(
            "raises",
            &format!("`raises` can't be {raises}"),
            "a whole number from 2 to 20",
        );
        return None;
    }
    let within = inner.duration("within", Flapping::WITHIN_MAX).unwrap_or(default.within);
    let calm = inner.duration("calm", HOLD_MAX).unwrap_or(default.calm);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 2 to 20
    let raises = raises as u8;
    Some(Flapping { raises, within, calm })
}

/// `knowledge`: where to read more; a page of our own, or one of the site's.
pub(super) fn read_knowledge(fields: &mut Fields<'_>) -> Option<String> {
    if !fields.has("knowledge") {
        return None;
    }
    let link = fields.required_text("knowledge")?;
    let known = ["https://", "http://", "/"].iter().any(|start| link.starts_with(start));
    let plain = link.chars().all(|c| !c.is_control() && !c.is_whitespace());
    // Two slashes would lead to another host.
    if !known || !plain || link.starts_with("//") || link.len() > LINK_BYTES_MAX {
        let hint = "begin with https://, http:// or /, without spaces, up to 500 bytes";
        fields.error("knowledge", "`knowledge` is not a link", hint);
        return None;
    }
    Some(link.to_owned())
}

/// Rules that may explain one.
const EXPLAINED_BY_MAX: usize = 16;

/// `explained_by`: names of rules whose alert on the same host explains this one's.
pub(super) fn read_explained_by(fields: &mut Fields<'_>) -> Vec<String> {
    let names: Vec<String> = fields.texts("explained_by").into_iter().map(str::to_owned).collect();
    let named = |name: &String| !name.is_empty() && name.len() <= 64;
    if names.len() > EXPLAINED_BY_MAX || !names.iter().all(named) {
        let hint = format!("up to {EXPLAINED_BY_MAX} names of rules");
        fields.error("explained_by", "`explained_by` is not a list of names", &hint);
        return Vec::new();
    }
    names
}
