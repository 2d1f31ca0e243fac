//! Who may do what: the one table action × role. Pages and API ask here and nowhere else.

use tocsin_desk::{model::Role, record::Speaker};
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
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 12] = [
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
    ];
}

/// The table. A customer's rows hold for that customer's own things only, see [`scope`].
#[must_use]
pub const fn allows(role: Role, action: Action) -> bool {
    use Role::{Administrator, Customer, Operator, Supervisor};
    match action {
        Action::ReadWork | Action::ReadHosts | Action::ReadInbox | Action::ReadHelp => true,
        Action::ReadRules | Action::ReadSystem => matches!(role, Administrator | Operator | Supervisor),
        Action::ReadPeople | Action::ReadAudit => matches!(role, Administrator | Supervisor),
        Action::WorkTicket | Action::Diagnose => matches!(role, Administrator | Operator),
        Action::ConfirmTicket | Action::ReportFault => matches!(role, Administrator | Operator | Customer),
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
        use Role::{Administrator, Customer, Operator, Supervisor};
        let agreed: [(Action, &[Role]); 12] = [
            (Action::ReadWork, &[Administrator, Operator, Supervisor, Customer]),
            (Action::ReadHosts, &[Administrator, Operator, Supervisor, Customer]),
            (Action::ReadInbox, &[Administrator, Operator, Supervisor, Customer]),
            (Action::ReadHelp, &[Administrator, Operator, Supervisor, Customer]),
            (Action::ReadRules, &[Administrator, Operator, Supervisor]),
            (Action::ReadSystem, &[Administrator, Operator, Supervisor]),
            (Action::ReadPeople, &[Administrator, Supervisor]),
            (Action::ReadAudit, &[Administrator, Supervisor]),
            (Action::WorkTicket, &[Administrator, Operator]),
            (Action::ConfirmTicket, &[Administrator, Operator, Customer]),
            (Action::ReportFault, &[Administrator, Operator, Customer]),
            (Action::Diagnose, &[Administrator, Operator]),
        ];
        assert_eq!(agreed.map(|(action, _)| action), Action::ALL);
        for (action, roles) in agreed {
            for role in Role::ALL {
                assert_eq!(allows(role, action), roles.contains(&role), "{action:?} × {role:?}");
            }
        }
    }
}
