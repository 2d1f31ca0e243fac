//! Registers: sheets with all their mistakes, the 5 % rule, what resembles what.

use super::{
    Book, Row,
    check::{self, Known},
    differences,
    knowledge::{Candidate, alike},
    promise::Promises,
    sheet, spare,
};
use crate::{calendar::Calendars, clocks::Book as Promised, policy::Policy};

fn row(pairs: &[(&str, &str)]) -> Row {
    Row {
        id: format!("id-{}", pairs[0].1),
        values: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        changed_at: None,
    }
}

fn known() -> Known {
    [
        (
            Book::Customers,
            vec![row(&[("name", "市民中心")]), row(&[("name", "医院")])],
        ),
        (
            Book::Sites,
            vec![row(&[("name", "一号机房"), ("customer", "市民中心")])],
        ),
        (
            Book::Assets,
            vec![row(&[
                ("name", "db-01"),
                ("customer", "市民中心"),
                ("serial", "S1"),
                ("owner", "王工"),
                ("importance", "key"),
            ])],
        ),
    ]
    .into()
}

/// The shipped policies and calendars.
fn promised() -> Promised {
    Promised::new(
        Policy::basic(),
        Policy::shipped(),
        Calendars::built_in(),
        std::collections::BTreeMap::new(),
    )
}

#[test]
fn a_contract_names_only_what_is_promised_and_takes_its_hours_from_its_grade() {
    let read = |text: &str, known: &Known| {
        let sheet = sheet::read(text).unwrap();
        check::rows(Book::Contracts, &sheet, known, Promises::from(&promised()))
    };
    let text = "name,customer,policy,grade,service_hours,starts_on,ends_on\n\
                a,医院,gold,A,9x9,2026-10-01,2026-09-30\n\
                b,医院,graded,Z,,,\n\
                c,医院,graded,,7x8,,\n";
    let mistakes = read(text, &known()).unwrap_err();
    for (mistake, expected) in mistakes.iter().zip([
        "line 2: policy `gold` is none of basic, duty, four-level, graded, impact, symptom",
        "line 2: service_hours ",
        "line 2: ends_on `2026-09-30` is before starts_on `2026-10-01`",
        "line 3: grade `Z` is no grade of policy `graded`: expected A, B, C",
        "line 4: grade `` is no grade of policy `graded`: expected A, B, C",
    ]) {
        assert!(mistake.starts_with(expected), "{expected}\n{mistakes:#?}");
    }
    assert_eq!(mistakes.len(), 5);
    let rows = read("name,customer,policy,grade\na,医院,graded,C\nb,医院,,\n", &known()).unwrap();
    assert_eq!(
        (rows[0].get("service_hours"), rows[1].get("service_hours")),
        ("5x8", "7x24")
    );
    assert_eq!((rows[1].get("policy"), rows[1].get("grade")), ("basic", "standard"));
    // An old mistake that nobody touches does not keep the rest out.
    let mut with_old = known();
    let old = [
        ("name", "a"),
        ("customer", "医院"),
        ("policy", "gold"),
        ("grade", "x"),
        ("service_hours", "7x24"),
    ];
    with_old.insert(Book::Contracts, vec![row(&old)]);
    let again = read("name,customer,manager\na,医院,王工\n", &with_old).unwrap();
    assert_eq!(again[0].get("policy"), "gold");
    let changed = differences(Book::Contracts, with_old[&Book::Contracts].first(), &again[0]);
    assert_eq!(
        changed.len(),
        1,
        "what is meant where nothing is said is no change: {changed:?}"
    );
}

#[test]
fn a_chinese_sheet_of_assets_is_taken_over_what_is_known() {
    let text = "客户,名称,站点,型号,序列号,重要程度\n市民中心,db-01,一号机房,R740,S1,\n医院,his-01,,R750,S2,重要\n";
    let rows = check::rows(
        Book::Assets,
        &sheet::read(text).unwrap(),
        &known(),
        Promises::from(&promised()),
    )
    .unwrap();
    assert_eq!((rows[0].id.as_str(), rows[0].get("owner")), ("id-db-01", "王工"));
    assert_eq!(
        (rows[0].get("importance"), rows[1].get("importance")),
        ("normal", "key")
    );
    assert_eq!((rows[1].id.as_str(), rows[1].get("site")), ("", ""));
    let changed = differences(Book::Assets, known()[&Book::Assets].first(), &rows[0]);
    assert!(
        changed.contains(&("model", String::new(), "R740".to_owned())),
        "{changed:?}"
    );
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() {
    let text = "name,customer,site,serial,importance,warranty_until\n\
                a,市民中心,一号机房,S9,huge,2026-13-01\n\
                ,nobody,二号机房,S9,,\n\
                a,市民中心,,S1,,\n";
    let mistakes = check::rows(
        Book::Assets,
        &sheet::read(text).unwrap(),
        &known(),
        Promises::from(&promised()),
    )
    .unwrap_err();
    for expected in [
        "line 2: importance `huge` is none of normal, key, low",
        "line 2: warranty_until `2026-13-01` is no date such as 2026-10-01",
        "line 3: name is empty",
        "line 3: customer `nobody` is not in the register of customers: enter it there first",
        "line 3: site `二号机房` is not in the register of sites: enter it there first",
        "line 4: `a` stands in line 2 already",
        "serial `S9`: both `a` and `` bear it",
        "serial `S1`: both `db-01` and `a` bear it",
    ] {
        assert!(
            mistakes.iter().any(|mistake| mistake == expected),
            "{expected}\n{mistakes:#?}"
        );
    }
    let mistakes = check::rows(
        Book::Assets,
        &sheet::read("name,colour\nx,red").unwrap(),
        &known(),
        Promises::from(&promised()),
    )
    .unwrap_err();
    assert_eq!(mistakes.len(), 2, "{mistakes:?}");
    assert!(mistakes[0].contains("unknown column `colour`: known are name, kind,"));
}

#[test]
fn another_customers_site_does_not_fit() {
    let text = "customer,name,site\n医院,x,一号机房\n";
    assert!(
        check::rows(
            Book::Assets,
            &sheet::read(text).unwrap(),
            &known(),
            Promises::from(&promised())
        )
        .is_err()
    );
}

#[test]
fn what_is_exported_is_imported_unchanged() {
    for book in [Book::Customers, Book::Sites, Book::Assets] {
        let keys: Vec<&str> = book.columns().iter().map(|column| column.key).collect();
        let rows = &known()[&book];
        let cells = rows
            .iter()
            .map(|row| keys.iter().map(|key| row.get(key).to_owned()).collect());
        let text = sheet::write(&keys, cells);
        let again = check::rows(
            book,
            &sheet::read(&text).unwrap(),
            &known(),
            Promises::from(&promised()),
        )
        .unwrap();
        for (before, after) in rows.iter().zip(&again) {
            assert!(
                differences(book, Some(before), after)
                    .iter()
                    .all(|(_, old, _)| old.is_empty()),
                "{book:?}"
            );
        }
    }
}

#[test]
fn five_percent_is_rounded_up_and_what_is_missing_comes_first() {
    let assets: Vec<Row> = (0..21).map(|_| row(&[("name", "a"), ("model", "R740")])).collect();
    let spares = [
        row(&[("name", "disk"), ("model", "R740"), ("count", "1"), ("minimum", "1")]),
        row(&[("name", "fan"), ("model", "X"), ("count", "9"), ("minimum", "3")]),
    ];
    let stock = spare::stock(&assets, &spares);
    let told: Vec<_> = stock
        .iter()
        .map(|one| (one.model.as_str(), one.wanted, one.missing()))
        .collect();
    assert_eq!(told, [("R740", 2, 1), ("X", 3, 0)]);
}

#[test]
fn the_same_rule_comes_before_like_words_and_chance_is_nothing() {
    let candidate = |title, rules: &[&'static str], same_asset| Candidate {
        title,
        rules: rules.to_vec(),
        same_asset,
        named: false,
    };
    let candidates = [
        candidate("磁盘已满的处理 disk is full", &[], false),
        candidate("日志轮转", &["disk-full"], false),
        candidate("机房空调故障", &[], true),
    ];
    assert_eq!(alike("db-01 磁盘已满", &["disk-full"], &candidates, 5), [1, 0]);
    assert_eq!(alike("db-01 磁盘已满", &["disk-full"], &candidates, 1), [1]);
    let named = Candidate {
        named: true,
        ..candidates[2].clone()
    };
    assert_eq!(alike("db-01 磁盘已满", &[], &[named], 5), [0], "it names this ticket");
}
