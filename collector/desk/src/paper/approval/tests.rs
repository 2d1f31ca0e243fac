//! Who may approve, once, and what a call leaves open.

use super::*;
use tocsin_vocabulary::{Language, PersonId};

const NOW: Timestamp = Timestamp::from_millis(1_795_316_645_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn person(login: &str, role: Role) -> Person {
    Person {
        id: PersonId::from_bytes([1; 16]),
        login: login.to_owned(),
        name: login.to_uppercase(),
        role,
        customer: (role == Role::Customer).then(|| CustomerId::from_bytes([5; 16])),
        language: Language::Chinese,
        email: String::new(),
        phone: String::new(),
        on_duty: false,
    }
}

fn approval(of: Approver) -> Approval {
    Approval {
        id: 3,
        ticket: TicketId::from_bytes([2; 16]),
        number: 1042,
        customer: CustomerId::from_bytes([5; 16]),
        what: "更换控制器".to_owned(),
        risk: "阵列降级".to_owned(),
        rollback: "换回旧件".to_owned(),
        from: NOW,
        to: NOW.plus(HOUR),
        of,
        asker: "wang".to_owned(),
        asked: Done {
            by: "WANG".to_owned(),
            at: NOW,
        },
        state: ApprovalState::Asked,
        verdict: None,
        reminders: 0,
    }
}

const YES: Answer<'static> = Answer {
    granted: true,
    words: "",
};
const NO: Answer<'static> = Answer {
    granted: false,
    words: "白天不行",
};

#[test]
fn who_may_approve_is_a_matter_of_role_and_customer() {
    for (of, role, may) in [
        (Approver::Lead, Role::TeamLead, true),
        (Approver::Lead, Role::Administrator, true),
        (Approver::Lead, Role::Operator, false),
        (Approver::Lead, Role::Customer, false),
        (Approver::Customer, Role::Customer, true),
        (Approver::Customer, Role::TeamLead, false),
    ] {
        let told = approval(of).answer(&person("chen", role), YES, NOW);
        assert_eq!(told.is_ok(), may, "{of:?} {role:?}");
    }
    let mut other = person("sun", Role::Customer);
    other.customer = Some(CustomerId::from_bytes([6; 16]));
    assert!(
        approval(Approver::Customer).answer(&other, YES, NOW).is_err(),
        "another customer's"
    );
    let own = approval(Approver::Lead).answer(&person("wang", Role::TeamLead), YES, NOW);
    assert_eq!(own, Err(ApprovalError::Own("wang".to_owned())));
}

#[test]
fn an_answer_is_given_once_and_a_refusal_says_why() {
    let (mut one, chen) = (approval(Approver::Lead), person("chen", Role::TeamLead));
    let silent = Answer { words: " ", ..NO };
    assert!(matches!(one.answer(&chen, silent, NOW), Err(ApprovalError::Words(_))));
    one.answer(&chen, NO, NOW).unwrap();
    assert_eq!(one.state, ApprovalState::Refused);
    assert!(one.is_settled() && !one.is_unsigned());
    assert_eq!(one.answer(&chen, YES, NOW), Err(ApprovalError::Answered(3)));
    assert_eq!(one.withdraw(), Err(ApprovalError::Answered(3)));
}

#[test]
fn what_was_said_by_phone_holds_at_once_and_is_unsigned_until_the_approver_signs() {
    let (mut one, chen, wang) = (
        approval(Approver::Lead),
        person("chen", Role::TeamLead),
        person("wang", Role::Operator),
    );
    assert_eq!(
        one.by_phone(&chen, YES, NOW.plus(HOUR), &wang, NOW),
        Err(ApprovalError::Time)
    );
    assert_eq!(
        one.by_phone(&chen, YES, NOW.minus(HOUR), &wang, NOW),
        Err(ApprovalError::Time)
    );
    let later = NOW.plus(HOUR);
    one.by_phone(&chen, YES, NOW, &wang, later).unwrap();
    assert_eq!(one.state, ApprovalState::Granted);
    assert!(one.is_unsigned() && !one.is_settled());
    assert_eq!(one.remind_at(HOUR), Some(later), "the approver is told at once");
    one.reminders = 2;
    assert_eq!(one.remind_at(HOUR), Some(later.plus(HOUR * 2)));
    let another = one.sign("li", later);
    assert!(matches!(another, Err(ApprovalError::Another { .. })), "{another:?}");
    one.sign("chen", later).unwrap();
    assert!(one.is_settled());
    assert_eq!(one.remind_at(HOUR), None);
    assert_eq!(one.sign("chen", later), Err(ApprovalError::NothingToSign(3)));
}

#[test]
fn a_request_says_everything_and_a_window_that_is_not_over() {
    let mut request = Request {
        what: "x".to_owned(),
        risk: " ".to_owned(),
        rollback: String::new(),
        from: NOW,
        to: NOW,
        of: Approver::Lead,
    };
    assert_eq!(request.mistakes(NOW).len(), 3);
    request.risk = "r".to_owned();
    request.rollback = "b".to_owned();
    request.to = NOW.plus(HOUR);
    assert!(request.mistakes(NOW).is_empty());
    assert_eq!(request.mistakes(NOW.plus(HOUR)), ["the window is over already"]);
}
