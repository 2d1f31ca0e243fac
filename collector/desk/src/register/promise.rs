//! What contracts may name: the site's policies with their grades, and its calendars.

use super::Row;
use crate::{clocks::Book, policy::Policy};

/// The grade of a policy that has none.
const GRADE: &str = "standard";
/// The hours where neither contract nor grade say any.
const HOURS: &str = "7x24";

/// Policies and calendars, as contracts name them.
#[derive(Debug, Clone, Copy)]
pub struct Promises<'a> {
    book: &'a Book,
}

impl<'a> From<&'a Book> for Promises<'a> {
    fn from(book: &'a Book) -> Self {
        Self { book }
    }
}

impl<'a> Promises<'a> {
    fn policy(self, name: &str) -> Option<&'a Policy> {
        let mut policies = self.book.policies().map(|(policy, _)| policy);
        policies.find(|policy| policy.name == name)
    }

    /// Fills in what a contract leaves to its policy, and answers what is wrong with it: column and words. What stood
    /// there before and stays is not judged again, so that an old mistake does not keep the rest of a sheet out.
    pub(super) fn settle(self, row: &mut Row, old: Option<&Row>) -> Vec<(&'static str, String)> {
        let mut fill = |key: &str, value: &str| {
            let cell = row.values.entry(key.to_owned()).or_default();
            if cell.is_empty() {
                value.clone_into(cell);
            }
            cell.clone()
        };
        let name = fill("policy", &self.book.fallback().name);
        let policy = self.policy(&name);
        let grades = policy.map(|policy| policy.grades.as_slice()).unwrap_or_default();
        let grade = fill("grade", if grades.is_empty() { GRADE } else { "" });
        let bought = grades.iter().find(|known| known.name == grade);
        let hours = fill("service_hours", bought.map_or(HOURS, |grade| &grade.calendar));
        let changed = |key: &str| old.is_none_or(|old| old.get(key) != row.get(key));
        let mut mistakes = Vec::new();
        if policy.is_none() && changed("policy") {
            let known: Vec<&str> = self.book.policies().map(|(policy, _)| policy.name.as_str()).collect();
            mistakes.push(("policy", format!("`{name}` is none of {}", known.join(", "))));
        }
        if !grades.is_empty() && bought.is_none() && (changed("grade") || changed("policy")) {
            let known: Vec<&str> = grades.iter().map(|grade| grade.name.as_str()).collect();
            let known = known.join(", ");
            mistakes.push((
                "grade",
                format!("`{grade}` is no grade of policy `{name}`: expected {known}"),
            ));
        }
        if let Err(error) = self.book.calendars().get(&hours)
            && changed("service_hours")
        {
            mistakes.push(("service_hours", error.to_string()));
        }
        let (starts, ends) = (row.get("starts_on"), row.get("ends_on"));
        let both = !starts.is_empty() && !ends.is_empty();
        if both && ends < starts && (changed("starts_on") || changed("ends_on")) {
            mistakes.push(("ends_on", format!("`{ends}` is before starts_on `{starts}`")));
        }
        mistakes
    }
}
