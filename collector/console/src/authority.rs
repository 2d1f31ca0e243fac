//! Who may do what: the one table action × role. Pages and API ask here and nowhere else.

use tocsin_desk::{duty::DutyAct, model::Role, paper::act::PaperAct, record::Speaker};
use tocsin_vocabulary::CustomerId;

/// Something that one may or may not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Tickets, alerts, faults: read.
    ReadWork,
    /// Hosts and what was measured: read.
    ReadHosts,
    /// One's own pages.
    ReadInbox,
    /// The handbook.
    ReadHelp,
    /// Rules as loaded.
    ReadRules,
    /// The collector's health and its own metrics.
    ReadSystem,
    /// Who is in the register, and what they may.
    ReadPeople,
    /// The audit trail.
    ReadAudit,
    /// Accept, assign, arrive, wait, restore, resolve, …
    WorkTicket,
    /// Confirm that a ticket is done.
    ConfirmTicket,
    /// Report a fault.
    ReportFault,
    /// Ask a host for a diagnostic snapshot.
    Diagnose,
    /// Silences, maintenance windows, guarded periods, what is withheld, what assets hang on: read.
    ReadPlanned,
    /// Make and end them, and say what assets hang on.
    PlanWork,
    /// Rosters and handovers: read.
    ReadDuty,
    /// Swap shifts, write and sign handovers.
    HandOver,
    /// Rosters, overrides, chains, the word at a handover, spares: decide.
    ManageDuty,
    /// Registers and their history: read.
    ReadRegisters,
    /// Registers: write and import; sign steps, publish notes, link tickets.
    WriteRegisters,
    /// Approve risky work.
    ApproveWork,
    /// Set one's own PIN.
    OwnPin,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::ReadWork,
        Self::ReadHosts,
        Self::ReadInbox,
        Self::ReadHelp,
        Self::ReadRules,
        Self::ReadSystem,
        Self::ReadPeople,
        Self::ReadAudit,
        Self::WorkTicket,
        Self::ConfirmTicket,
        Self::ReportFault,
        Self::Diagnose,
        Self::ReadPlanned,
        Self::PlanWork,
        Self::ReadDuty,
        Self::HandOver,
        Self::ManageDuty,
        Self::ReadRegisters,
        Self::WriteRegisters,
        Self::ApproveWork,
        Self::OwnPin,
    ];
}

/// The table. A customer's rows hold for that customer's own things only, see [`scope`].
#[must_use]
pub const fn allows(role: Role, action: Action) -> bool {
    use Role::{Administrator, Auditor, Customer, Kiosk, Operator, Supervisor, TeamLead};
    match action {
        Action::ReadWork | Action::ReadHosts | Action::ReadHelp => true,
        Action::ReadInbox => !matches!(role, Kiosk),
        Action::ReadRules | Action::ReadSystem | Action::ReadPlanned | Action::ReadRegisters => {
            matches!(role, Administrator | Operator | TeamLead | Supervisor | Auditor)
        }
        Action::ReadDuty => !matches!(role, Customer),
        Action::ReadPeople => matches!(role, Administrator | TeamLead | Supervisor | Auditor),
        Action::ReadAudit => matches!(role, Administrator | Supervisor | Auditor),
        Action::WorkTicket | Action::Diagnose | Action::PlanWork | Action::HandOver | Action::WriteRegisters => {
            matches!(role, Administrator | Operator | TeamLead)
        }
        Action::ConfirmTicket | Action::ReportFault | Action::OwnPin => {
            matches!(role, Administrator | Operator | TeamLead | Customer)
        }
        Action::ApproveWork => matches!(role, Administrator | TeamLead | Customer),
        Action::ManageDuty => matches!(role, Administrator | TeamLead),
    }
}

/// What one must be allowed to do something in the duty room.
#[must_use]
pub const fn needs(act: &DutyAct) -> Action {
    match act {
        DutyAct::PutRoster { .. }
        | DutyAct::ImportRoster { .. }
        | DutyAct::Override { .. }
        | DutyAct::SetChain { .. }
        | DutyAct::GiveWord { .. }
        | DutyAct::AnswerSpare { .. } => Action::ManageDuty,
        DutyAct::Swap { .. }
        | DutyAct::Answer { .. }
        | DutyAct::OpenHandover { .. }
        | DutyAct::WriteHandover { .. }
        | DutyAct::SignHandover { .. } => Action::HandOver,
        DutyAct::SetPin { .. } => Action::OwnPin,
        DutyAct::ImportRegister { .. }
        | DutyAct::PutRow { .. }
        | DutyAct::SignStep { .. }
        | DutyAct::Publish { .. }
        | DutyAct::Unpublish { .. }
        | DutyAct::Link { .. } => Action::WriteRegisters,
        DutyAct::AskSpare { .. } | DutyAct::CountSpare { .. } | DutyAct::PutIntake { .. } => Action::WorkTicket,
        DutyAct::Account { account } if account.is_word_of_customer() => Action::ConfirmTicket,
        DutyAct::Account { account } if account.needs_lead() => Action::ManageDuty,
        DutyAct::Account { .. } => Action::WorkTicket,
        DutyAct::Rate { .. } => Action::ConfirmTicket,
    }
}

/// What one must be allowed to do something about papers. Signing is open to whoever has the page before them: the PIN
/// says who signs.
#[must_use]
pub const fn needs_for_paper(act: &PaperAct) -> Action {
    match act {
        PaperAct::Attach { .. } => Action::ReportFault,
        PaperAct::Show { .. } => Action::WriteRegisters,
        PaperAct::Ask { .. }
        | PaperAct::ByPhone { .. }
        | PaperAct::Withdraw { .. }
        | PaperAct::OfferSigning { .. }
        | PaperAct::OnPaper { .. }
        | PaperAct::CallBack { .. } => Action::WorkTicket,
        PaperAct::Answer { .. } => Action::ApproveWork,
        PaperAct::Sign { .. } => Action::ConfirmTicket,
        PaperAct::SetTerms { .. } => Action::ManageDuty,
    }
}

/// The only customer whose things a speaker sees; none for those who see all. A customer's person without a customer
/// sees nothing: no customer has the id of sixteen zero bytes.
#[must_use]
pub fn scope(speaker: &Speaker) -> Option<CustomerId> {
    let bound = speaker.role == Role::Customer || speaker.person.role == Role::Customer;
    bound.then(|| speaker.person.customer.unwrap_or(CustomerId::from_bytes([0; 16])))
}

/// Whether a speaker sees the things of this customer.
#[must_use]
pub fn sees(speaker: &Speaker, customer: CustomerId) -> bool {
    scope(speaker).is_none_or(|only| only == customer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole matrix, written down a second time by hand: a change needs two places.
    #[test]
    fn the_matrix_is_as_agreed() {
        use Role::{Administrator, Auditor, Customer, Kiosk, Operator, Supervisor, TeamLead};
        const ALL: &[Role] = &[Administrator, Operator, TeamLead, Supervisor, Auditor, Customer, Kiosk];
        const HOUSE: &[Role] = &[Administrator, Operator, TeamLead, Supervisor, Auditor];
        const HANDS: &[Role] = &[Administrator, Operator, TeamLead];
        let agreed: [(Action, &[Role]); 21] = [
            (Action::ReadWork, ALL),
            (Action::ReadHosts, ALL),
            (
                Action::ReadInbox,
                &[Administrator, Operator, TeamLead, Supervisor, Auditor, Customer],
            ),
            (Action::ReadHelp, ALL),
            (Action::ReadRules, HOUSE),
            (Action::ReadSystem, HOUSE),
            (Action::ReadPeople, &[Administrator, TeamLead, Supervisor, Auditor]),
            (Action::ReadAudit, &[Administrator, Supervisor, Auditor]),
            (Action::WorkTicket, HANDS),
            (Action::ConfirmTicket, &[Administrator, Operator, TeamLead, Customer]),
            (Action::ReportFault, &[Administrator, Operator, TeamLead, Customer]),
            (Action::Diagnose, HANDS),
            (Action::ReadPlanned, HOUSE),
            (Action::PlanWork, HANDS),
            (
                Action::ReadDuty,
                &[Administrator, Operator, TeamLead, Supervisor, Auditor, Kiosk],
            ),
            (Action::HandOver, HANDS),
            (Action::ManageDuty, &[Administrator, TeamLead]),
            (Action::ReadRegisters, HOUSE),
            (Action::WriteRegisters, HANDS),
            (Action::ApproveWork, &[Administrator, TeamLead, Customer]),
            (Action::OwnPin, &[Administrator, Operator, TeamLead, Customer]),
        ];
        assert_eq!(agreed.map(|(action, _)| action), Action::ALL);
        for (action, roles) in agreed {
            for role in Role::ALL {
                assert_eq!(allows(role, action), roles.contains(&role), "{action:?} × {role:?}");
            }
        }
    }
}
