//! The registers as sheets: customers, sites, contracts, assets, spare parts, articles of knowledge.
//!
//! A [`Book`] says which columns a register has; a [`Row`] is one line of it. Import checks a whole sheet and tells all
//! mistakes at once; nothing is entered while there is one.
//!
//! * [`sheet`] — CSV in and out,
//! * [`check`] — a sheet becomes rows,
//! * [`promise`] — what contracts may name,
//! * [`spare`] — the 5 % rule of spare parts,
//! * [`knowledge`] — which articles and past tickets resemble what is in hand.

pub mod check;
pub mod knowledge;
pub mod promise;
pub mod sheet;
pub mod spare;

use Kind::{Count, Day, MaybeOf, Name, Of, OneOf, Words, Zone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tocsin_vocabulary::Timestamp;

/// One of the registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Book {
    /// 客户.
    Customers,
    /// 站点 with their rooms.
    Sites,
    /// 合同.
    Contracts,
    /// 维保对象.
    Assets,
    /// 备件 and stand-by machines.
    Spares,
    /// 知识库.
    Knowledge,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Words,
    /// Words that may not be empty; with the names of its `within` columns they tell rows apart.
    Name,
    /// The name of a row of another register.
    Of(Book),
    /// As `Of`, and may be empty.
    MaybeOf(Book),
    /// `2026-10-01`, or empty.
    Day,
    /// A whole number; empty is 0.
    Count,
    /// One of these; empty is the first.
    OneOf(&'static [&'static str]),
    /// An IANA zone; empty is Asia/Shanghai.
    Zone,
}

/// The zone of sites that name none.
const ZONE: &str = "Asia/Shanghai";

impl Kind {
    /// What is meant where nothing is said.
    const fn meant(self) -> &'static str {
        match self {
            Count => "0",
            OneOf([first, ..]) => first,
            Zone => ZONE,
            _ => "",
        }
    }
}

/// A column of a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its word in files, API and ledger, and the text key's last part.
    pub key: &'static str,
    /// Its name in Chinese sheets.
    pub zh: &'static str,
    /// What it holds.
    pub kind: Kind,
}

const fn column(key: &'static str, zh: &'static str, kind: Kind) -> Column {
    Column { key, zh, kind }
}

/// How much an asset matters; the first is meant where nothing is said.
const IMPORTANCE: &[&str] = &["normal", "key", "low"];

/// What a begun day of downtime is worth (R27), see [`crate::account::extension::Rounding`].
const ROUNDING: &[&str] = &["up", "down", "nearest", "each_up", "each_down"];

const CUSTOMERS: &[Column] = &[
    column("name", "名称", Name),
    column("contact", "联系人", Words),
    column("phone", "电话", Words),
    column("address", "地址", Words),
    column("supervision", "监督热线", Words),
    column("note", "备注", Words),
];

const SITES: &[Column] = &[
    column("name", "名称", Name),
    column("customer", "客户", Of(Book::Customers)),
    column("zone", "时区", Zone),
    column("address", "地址", Words),
    column("rooms", "机房", Words),
    column("contact", "联系人", Words),
    column("phone", "电话", Words),
    column("note", "备注", Words),
];

const CONTRACTS: &[Column] = &[
    column("name", "名称", Name),
    column("customer", "客户", Of(Book::Customers)),
    column("policy", "SLA方案", Words),
    column("grade", "服务级别", Words),
    column("service_hours", "服务时间", Words),
    column("starts_on", "维保开始", Day),
    column("ends_on", "维保结束", Day),
    column("rounding", "停运取整", OneOf(ROUNDING)),
    column("warranty", "质保期", OneOf(&["within", "after"])),
    column("manager", "项目经理", Words),
    column("note", "备注", Words),
];

const ASSETS: &[Column] = &[
    column("name", "名称", Name),
    column("kind", "类别", Words),
    column("customer", "客户", Of(Book::Customers)),
    column("contract", "合同", MaybeOf(Book::Contracts)),
    column("site", "站点", MaybeOf(Book::Sites)),
    column("room", "机房", Words),
    column("rack", "机柜", Words),
    column("model", "型号", Words),
    column("serial", "序列号", Words),
    column("owner", "责任人", Words),
    column("contact", "联系人", Words),
    column("phone", "电话", Words),
    column("importance", "重要程度", OneOf(IMPORTANCE)),
    column("warranty_until", "质保到期", Day),
    column("note", "备注", Words),
];

const SPARES: &[Column] = &[
    column("name", "名称", Name),
    column("kind", "类别", OneOf(&["part", "standby"])),
    column("model", "适用型号", Words),
    column("count", "数量", Count),
    column("minimum", "最低数量", Count),
    column("place", "存放位置", Words),
    column("serial", "序列号", Words),
    column("counted_on", "盘点日期", Day),
    column("note", "备注", Words),
];

const KNOWLEDGE: &[Column] = &[
    column("name", "标题", Name),
    column("rules", "规则", Words),
    column("tickets", "相关工单", Words),
    column("tags", "标签", Words),
    column("text", "内容", Words),
];

impl Book {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Customers,
        Self::Sites,
        Self::Contracts,
        Self::Assets,
        Self::Spares,
        Self::Knowledge,
    ];

    /// The word in paths, commands and ledger, and the text key's last part.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Sites => "sites",
            Self::Contracts => "contracts",
            Self::Assets => "assets",
            Self::Spares => "spares",
            Self::Knowledge => "knowledge",
        }
    }

    /// The register that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|book| book.as_str() == word)
    }

    /// Its columns in the order of its sheet.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Customers => CUSTOMERS,
            Self::Sites => SITES,
            Self::Contracts => CONTRACTS,
            Self::Assets => ASSETS,
            Self::Spares => SPARES,
            Self::Knowledge => KNOWLEDGE,
        }
    }

    /// The column whose value, with the name, tells two rows apart; none: the name alone does.
    #[must_use]
    pub const fn within(self) -> Option<&'static str> {
        match self {
            Self::Sites | Self::Contracts | Self::Assets => Some("customer"),
            Self::Customers | Self::Spares | Self::Knowledge => None,
        }
    }
}

/// One line of a register: values by column key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Row {
    /// Its id in the ledger; empty before it has one.
    pub id: String,
    /// Values by column key; a column that is missing is empty.
    pub values: BTreeMap<String, String>,
    /// When it was last changed.
    pub changed_at: Option<Timestamp>,
}

impl Row {
    /// A value; empty when there is none.
    #[must_use]
    pub fn get(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    /// What tells it apart from others of its book: name, and whose.
    #[must_use]
    pub fn key(&self, book: Book) -> (String, String) {
        let of = book.within().map(|within| self.get(within)).unwrap_or_default();
        (of.to_owned(), self.get("name").to_owned())
    }
}

/// A register as a sheet: the words of its columns, and its rows.
#[must_use]
pub fn cells(book: Book, rows: &[Row]) -> (Vec<&'static str>, Vec<Vec<String>>) {
    let columns: Vec<&str> = book.columns().iter().map(|column| column.key).collect();
    let cells = |row: &Row| columns.iter().map(|key| row.get(key).to_owned()).collect();
    let rows = rows.iter().map(cells).collect();
    (columns, rows)
}

/// One change of a line, for its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// When.
    pub at: Timestamp,
    /// Login of whoever did it.
    pub by: String,
    /// The column.
    pub column: String,
    /// What stood there.
    pub before: String,
    /// What stands there.
    pub after: String,
}

/// What differs between two states of a line: column, before, after. What was never said and what is meant then are the
/// same.
#[must_use]
pub fn differences(book: Book, before: Option<&Row>, after: &Row) -> Vec<(&'static str, String, String)> {
    let columns = book.columns().iter();
    columns
        .filter_map(|column| {
            let (old, new) = (before.map_or("", |row| row.get(column.key)), after.get(column.key));
            let unsaid = before.is_some() && old.is_empty() && new == column.kind.meant();
            (old != new && !unsaid).then(|| (column.key, old.to_owned(), new.to_owned()))
        })
        .collect()
}

/// When a day of a register begins, in the zone of China; none for what is no day.
#[must_use]
pub fn begins(day: &str) -> Option<Timestamp> {
    let date: jiff::civil::Date = day.parse().ok()?;
    let zoned = date.in_tz("Asia/Shanghai").ok()?;
    Some(Timestamp::from_millis(zoned.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests;
