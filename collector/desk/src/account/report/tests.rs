//! Reports from what is owed to what the customer reads.

use super::*;
use crate::clocks::Reckoning;
use tocsin_vocabulary::{AssetId, ContractId, Level, Severity};

fn report(kind: Kind, lines: &[(&str, Option<Stamp>)]) -> Report {
    let lines = (1..).zip(lines).map(|(seq, (login, stamp))| Line {
        seq,
        at: Timestamp::from_millis(0),
        login: (*login).to_owned(),
        by: (*login).to_owned(),
        turn: match stamp {
            Some(stamp) => Turn::Stamped {
                stamp: *stamp,
                words: String::new(),
            },
            None => Turn::Version {
                facts: Box::new(facts()),
                words: kind
                    .sections()
                    .iter()
                    .map(|(key, _)| ((*key).to_owned(), "x".to_owned()))
                    .collect(),
            },
        },
    });
    Report {
        ticket: TicketId::from_bytes([1; 16]),
        number: 1042,
        kind,
        due_at: Timestamp::from_millis(1_000),
        lines: lines.collect(),
    }
}

fn ticket() -> Ticket {
    Ticket {
        id: TicketId::from_bytes([1; 16]),
        number: 1042,
        kind: TicketKind::Fault,
        state: TicketState::Restored,
        prior_state: None,
        title: Text::default(),
        remedy: Text::default(),
        level: Level::new(1),
        severity: Severity::Critical,
        fault: None,
        asset: AssetId::from_bytes([1; 16]),
        asset_name: "db1".to_owned(),
        host: None,
        customer: CustomerId::from_bytes([1; 16]),
        contract: ContractId::from_bytes([1; 16]),
        assignee: None,
        assignee_name: None,
        clocks: Vec::new(),
        reckoning: Reckoning::default(),
        page_round: 0,
        page_due_at: None,
        opened_at: Timestamp::from_millis(0),
        updated_at: Timestamp::from_millis(0),
        revision: 1,
        entry_count: 0,
    }
}

fn facts() -> Facts {
    Facts {
        taken_at: Timestamp::from_millis(0),
        ticket: ticket(),
        customer: "First Bank".to_owned(),
        contract: "main".to_owned(),
        entries: Vec::new(),
        alerts: Vec::new(),
        pages: Vec::new(),
        spares: Vec::new(),
    }
}

/// Kind × standing × stamp, all of it.
#[test]
fn stamps_lead_from_draft_to_reviewed_to_issued_and_to_nothing_else() {
    for kind in Kind::ALL {
        for standing in Standing::ALL {
            for stamp in Stamp::ALL {
                let expected = match (kind, standing, stamp) {
                    (Kind::Incident, Standing::Draft, Stamp::Review) => Some(Standing::Reviewed),
                    (Kind::Incident, Standing::Reviewed, Stamp::Return) => Some(Standing::Draft),
                    (Kind::Incident, Standing::Reviewed, Stamp::Issue) => Some(Standing::Issued),
                    (Kind::Service, Standing::Draft, Stamp::Sign) => Some(Standing::Signed),
                    _ => None,
                };
                assert_eq!(standing.after(kind, stamp), expected, "{kind:?} {standing:?} {stamp:?}");
            }
        }
    }
}

#[test]
fn the_customer_reads_the_issued_version_until_the_next_one_is_issued() {
    let (review, issue) = (Some(Stamp::Review), Some(Stamp::Issue));
    let mut lines = vec![("wang", None), ("li", review), ("chen", issue)];
    let one = report(Kind::Incident, &lines);
    assert_eq!(one.standing(), Standing::Issued);
    lines.extend([("wang", None), ("li", review)]);
    let two = report(Kind::Incident, &lines);
    assert_eq!(two.standing(), Standing::Reviewed);
    assert_eq!(two.published().map(|version| version.number), Some(1));
    assert_eq!(two.versions().len(), 2, "the first is kept");
    lines.push(("chen", issue));
    let three = report(Kind::Incident, &lines);
    assert_eq!(three.published().map(|version| version.number), Some(2));
    let late = Timestamp::from_millis(2_000);
    assert!(report(Kind::Incident, &[("wang", None)]).is_late(late));
    assert!(!two.is_late(late), "it was issued once");
}

#[test]
fn a_report_is_reviewed_by_somebody_else_and_only_when_it_is_written() {
    let draft = report(Kind::Incident, &[("wang", None)]);
    let refused = draft
        .may_stamp(Stamp::Review, "wang", "", None)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("ask somebody else"), "{refused}");
    assert_eq!(draft.may_stamp(Stamp::Review, "li", "", Some(1)), Ok(()));
    assert!(draft.may_stamp(Stamp::Review, "li", "", Some(2)).is_err());
    assert!(
        draft.may_stamp(Stamp::Issue, "chen", "", None).is_err(),
        "nobody has reviewed it"
    );
    assert!(
        report(Kind::Incident, &[])
            .may_stamp(Stamp::Review, "li", "", None)
            .is_err()
    );
    let mut empty = draft;
    if let Turn::Version { words, .. } = &mut empty.lines[0].turn {
        words.clear();
    }
    let Err(Refused::Wrong(missing)) = empty.may_stamp(Stamp::Review, "li", "", None) else {
        panic!("an empty report passes");
    };
    assert_eq!(missing.len(), 3, "{missing:?}");
    let unknown = BTreeMap::from([("weather".to_owned(), String::new())]);
    assert!(empty.may_write(&unknown, None).is_err());
    assert!(
        empty.may_write(&BTreeMap::new(), Some(7)).is_err(),
        "somebody wrote meanwhile"
    );
}

#[test]
fn the_worst_half_of_a_ladder_owes_an_incident_report_and_each_job_a_service_document() {
    let level = Level::new;
    let mut ticket = ticket();
    ticket.kind = TicketKind::Fault;
    ticket.reckoning.moments.restored = Some(Timestamp::from_millis(1_000));
    let owed = |ticket: &Ticket, levels| due(Kind::Incident, ticket, levels).is_some();
    for (rank, levels, expected) in [(1, 4, true), (2, 4, true), (3, 4, false), (1, 3, true), (2, 3, false)] {
        ticket.level = level(rank);
        assert_eq!(owed(&ticket, levels), expected, "{rank} of {levels}");
    }
    assert_eq!(due(Kind::Service, &ticket, 4), None, "nobody has resolved it");
    ticket.reckoning.moments.resolved = Some(Timestamp::from_millis(2_000));
    assert_eq!(
        due(Kind::Service, &ticket, 4),
        Some(Timestamp::from_millis(2_000 + 5 * 86_400_000))
    );
    ticket.kind = TicketKind::Complaint;
    assert_eq!(due(Kind::Service, &ticket, 4), None);
    ticket.kind = TicketKind::Drill;
    ticket.level = level(1);
    assert!(!owed(&ticket, 4), "a drill is no incident");
}

#[test]
fn a_resolution_is_read_as_it_was_written() {
    let told = resolution("Cause: disk\nfull\nSolution: made room");
    assert_eq!(told, ("disk\nfull".to_owned(), "made room".to_owned()));
    assert_eq!(resolution("odd").0, "odd");
}
