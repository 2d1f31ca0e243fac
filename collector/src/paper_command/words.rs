//! Papers in words.

use crate::cli::printable;
use serde_json::Value;
use std::fmt::Write as _;
use tocsin_desk::paper::{Papers, approval::Approval};

/// All papers of a ticket.
pub(super) fn papers(value: &Value) -> String {
    let Ok(papers) = serde_json::from_value::<Papers>(value.clone()) else {
        return value.to_string();
    };
    let mut text = String::new();
    for one in &papers.attachments {
        let shown = if one.published.is_some() {
            "published"
        } else {
            "internal"
        };
        let _ = writeln!(
            text,
            "file {}  {}  {}  {} bytes  {shown}  {} {}  sha256 {}",
            one.id,
            printable(&one.name),
            one.purpose.as_str(),
            one.bytes,
            printable(&one.added.by),
            one.added.at,
            one.digest
        );
    }
    for one in &papers.approvals {
        line(&mut text, one);
    }
    for one in &papers.confirmations {
        let name = if one.name.is_empty() { &one.by.by } else { &one.name };
        let file = one.file.map(|id| format!("  file {id}")).unwrap_or_default();
        let _ = writeln!(
            text,
            "confirmation {}  {}  {}  {}{file}  sha256 of the text {}",
            one.id,
            one.way.as_str(),
            printable(name),
            one.by.at,
            one.text_hash
        );
    }
    for one in &papers.calls {
        let content = if one.content { "content" } else { "not content" };
        let _ = writeln!(
            text,
            "call-back {}  {}  {}  {content}  {}",
            one.id,
            printable(&one.whom),
            one.at,
            printable(&one.answer)
        );
    }
    if text.is_empty() {
        text.push_str("nothing was handed in or signed");
    }
    text
}

/// Approvals, a line each.
pub(super) fn approvals(value: &Value) -> String {
    let Ok(open) = serde_json::from_value::<Vec<Approval>>(value.clone()) else {
        return value.to_string();
    };
    let mut text = String::new();
    for one in &open {
        line(&mut text, one);
    }
    if text.is_empty() {
        text.push_str("no approval waits for anybody");
    }
    text
}

fn line(text: &mut String, one: &Approval) {
    let unsigned = if one.is_unsigned() { ", unsigned" } else { "" };
    let by = one
        .verdict
        .as_ref()
        .map(|verdict| format!(" by {}", printable(&verdict.login)));
    let _ = writeln!(
        text,
        "approval {}  #{}  {}{}{unsigned}  {} to {}  {}  (asked by {} of the {})",
        one.id,
        one.number,
        one.state.as_str(),
        by.unwrap_or_default(),
        one.from,
        one.to,
        printable(&one.what),
        printable(&one.asker),
        one.of.as_str()
    );
}
