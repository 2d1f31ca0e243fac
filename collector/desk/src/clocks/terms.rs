//! What a contract bought: policy, grade, calendar and warranty, found by the contract's id.

use crate::{
    calendar::{Calendar, CalendarSpec, Calendars},
    policy::{HoursOf, Phase, Policy},
};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, sync::Arc};
use tocsin_vocabulary::{ContractId, Timestamp};

/// What the register says of a contract. Names are looked up in the [`Book`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContractTerms {
    /// Name of the policy.
    pub policy: String,
    /// The grade.
    pub grade: String,
    /// Name of the calendar; empty: that of the grade.
    pub service_hours: String,
    /// Until when the warranty runs; none: as long as the contract.
    pub warranty_until: Option<Timestamp>,
}

/// A policy with the fingerprint of its content.
#[derive(Debug, Clone, PartialEq)]
struct Versioned {
    policy: Arc<Policy>,
    version: String,
}

/// Policies, calendars, and which contract has which.
#[derive(Debug, Clone, PartialEq)]
pub struct Book {
    fallback: Versioned,
    policies: BTreeMap<String, Versioned>,
    calendars: Arc<Calendars>,
    contracts: BTreeMap<ContractId, ContractTerms>,
}

/// The terms of one contract, looked up.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The table of targets.
    pub policy: Arc<Policy>,
    /// Its version.
    pub policy_version: String,
    /// The column that was bought.
    pub grade: String,
    /// When reports are accepted.
    pub calendar: Arc<Calendar>,
    /// Until when the warranty runs.
    pub warranty_until: Option<Timestamp>,
    calendars: Arc<Calendars>,
}

impl From<Policy> for Book {
    /// One policy for all contracts that name no other, around the clock.
    fn from(policy: Policy) -> Self {
        Self::new(policy, Vec::new(), Calendars::built_in(), BTreeMap::new())
    }
}

impl Book {
    /// `fallback` is for contracts that name no policy of these.
    #[must_use]
    pub fn new(
        fallback: Policy,
        policies: Vec<Policy>,
        calendars: Arc<Calendars>,
        contracts: BTreeMap<ContractId, ContractTerms>,
    ) -> Self {
        let versioned = |policy: Policy| Versioned {
            version: version(&policy),
            policy: Arc::new(policy),
        };
        let fallback = versioned(fallback);
        let mut policies: BTreeMap<_, _> = policies
            .into_iter()
            .map(|policy| (policy.name.clone(), versioned(policy)))
            .collect();
        policies.insert(fallback.policy.name.clone(), fallback.clone());
        Self {
            fallback,
            policies,
            calendars,
            contracts,
        }
    }

    /// The policy of contracts that name none: also what pages repeat by.
    #[must_use]
    pub fn fallback(&self) -> &Policy {
        &self.fallback.policy
    }

    /// All policies, by name.
    pub fn policies(&self) -> impl Iterator<Item = (&Policy, &str)> {
        self.policies
            .values()
            .map(|versioned| (&*versioned.policy, versioned.version.as_str()))
    }

    /// All calendars.
    #[must_use]
    pub fn calendars(&self) -> &Calendars {
        &self.calendars
    }

    /// What the register says of the contracts, from now on.
    pub fn set_contracts(&mut self, contracts: BTreeMap<ContractId, ContractTerms>) {
        self.contracts = contracts;
    }

    /// Other calendars, from now on.
    pub fn set_calendars(&mut self, calendars: Arc<Calendars>) {
        self.calendars = calendars;
    }

    /// The terms of a contract. One that is unknown, or that names what there is not, has the fallback around the clock;
    /// [`Book::mistakes`] tells of it.
    #[must_use]
    pub fn terms(&self, contract: ContractId) -> Terms {
        let known = self.contracts.get(&contract);
        let named = known.and_then(|terms| self.policies.get(&terms.policy));
        let Versioned { policy, version } = named.unwrap_or(&self.fallback).clone();
        let grade = known.map_or_else(String::new, |terms| terms.grade.clone());
        let of_grade = policy.grades.iter().find(|known| known.name == grade);
        let hours = known
            .map(|terms| terms.service_hours.as_str())
            .filter(|hours| !hours.is_empty())
            .or_else(|| of_grade.map(|grade| grade.calendar.as_str()))
            .unwrap_or(ALWAYS);
        Terms {
            calendar: calendar(&self.calendars, hours),
            policy_version: version,
            grade,
            warranty_until: known.and_then(|terms| terms.warranty_until),
            calendars: self.calendars.clone(),
            policy,
        }
    }

    /// Names that contracts or policies use and that there are not, as sentences.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        for (contract, terms) in &self.contracts {
            if !self.policies.contains_key(&terms.policy) {
                mistakes.push(format!("contract {contract}: there is no policy `{}`", terms.policy));
            }
            if !terms.service_hours.is_empty()
                && let Err(error) = self.calendars.get(&terms.service_hours)
            {
                mistakes.push(format!("contract {contract}: {error}"));
            }
        }
        for (policy, _) in self.policies() {
            let named = policy.targets.iter().filter_map(|target| target.calendar.as_ref());
            let of_grades = policy.grades.iter().map(|grade| &grade.calendar);
            for name in named.chain(of_grades).chain([&policy.working_hours]) {
                if let Err(error) = self.calendars.get(name) {
                    mistakes.push(format!("policy {}: {error}", policy.name));
                }
            }
        }
        mistakes.dedup();
        mistakes
    }
}

/// The calendar that never closes.
const ALWAYS: &str = "7x24";

fn calendar(calendars: &Calendars, name: &str) -> Arc<Calendar> {
    let found = calendars.get(name).or_else(|_| calendars.get(ALWAYS)).cloned();
    found.unwrap_or_else(|_| {
        let always = CalendarSpec::always();
        Arc::new(Calendar::new(ALWAYS, always, Arc::default()))
    })
}

impl Terms {
    /// A calendar that a cell names, or the contract's own.
    #[must_use]
    pub fn calendar_of(&self, name: Option<&str>) -> Arc<Calendar> {
        name.map_or_else(|| self.calendar.clone(), |name| calendar(&self.calendars, name))
    }

    /// Whether the office is open at an instant: by the service hours that were bought; for service around the clock, by
    /// the working hours of the policy.
    #[must_use]
    pub fn is_office_open(&self, at: Timestamp) -> bool {
        if *self.calendar.spec() == CalendarSpec::always() {
            self.hours(at) == HoursOf::Open
        } else {
            self.calendar.is_open(at)
        }
    }

    /// Whether the warranty runs at an instant.
    #[must_use]
    pub fn phase(&self, at: Timestamp) -> Phase {
        match self.warranty_until {
            Some(until) if at >= until => Phase::After,
            _ => Phase::Within,
        }
    }

    /// Whether an instant lies within working hours, as the policy means them.
    #[must_use]
    pub fn hours(&self, at: Timestamp) -> HoursOf {
        if calendar(&self.calendars, &self.policy.working_hours).is_open(at) {
            HoursOf::Open
        } else {
            HoursOf::Closed
        }
    }
}

/// Sixteen hex digits of SHA-256 over the whole policy.
fn version(policy: &Policy) -> String {
    let hash = Sha256::digest(serde_json::to_vec(policy).unwrap_or_default());
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
