//! The last answer of each probe, from the tasks that ask to the ticks that tell.

use super::{Answer, DURATION, Probe, UP};
use crate::surveys::{Feed, Findings, Part, PartStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tocsin_vocabulary::time::format_duration;

/// Who asks puts answers up; a tick takes what is new.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    probes: Vec<(Arc<Probe>, Option<Answer>)>,
    /// Counts changes.
    version: u64,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Other probes from now on; what is known of those that stay is kept.
    pub(super) fn set(&self, probes: &[Arc<Probe>]) {
        let mut state = self.lock();
        let known = std::mem::take(&mut state.probes);
        if known.is_empty() && probes.is_empty() {
            return;
        }
        state.probes = probes
            .iter()
            .map(|probe| {
                let before = known.iter().find(|(before, _)| before == probe);
                (Arc::clone(probe), before.and_then(|(_, answer)| answer.clone()))
            })
            .collect();
        state.version += 1;
    }

    /// The answer of a probe that was asked; of one that is gone it is not kept.
    pub(super) fn put(&self, probe: &Probe, answer: Answer) {
        let mut state = self.lock();
        if let Some((_, slot)) = state.probes.iter_mut().find(|(known, _)| **known == *probe) {
            *slot = Some(answer);
            state.version += 1;
        }
    }
}

impl Feed for Board {
    fn take(&self, seen: &mut u64) -> Option<Findings> {
        let state = self.lock();
        // The first time all were asked: what fails when the agent starts did not begin to fail now.
        let is_first = *seen == 0 && state.probes.iter().any(|(_, answer)| answer.is_none());
        if state.version == *seen || is_first {
            return None;
        }
        *seen = state.version;
        let mut findings = Findings::default();
        for (probe, answer) in &state.probes {
            tell(probe, answer.as_ref(), &mut findings);
        }
        Some(findings)
    }
}

/// A probe's series are the same whether they have values or not, so that the dictionary stays the same.
fn tell(probe: &Probe, answer: Option<&Answer>, findings: &mut Findings) {
    let (kind, target) = (probe.question.kind(), probe.question.target());
    let attributes = [
        ("tocsin.probe", probe.name.as_str()),
        ("tocsin.probe.target", target.as_str()),
        ("tocsin.probe.type", kind),
    ];
    match answer.and_then(|answer| answer.up) {
        Some(up) => findings.count(UP, &attributes, u64::from(up)),
        None => findings.absent(UP, &attributes),
    }
    for name in [DURATION].iter().chain(probe.question.metrics()) {
        let measured = answer.and_then(|answer| answer.values.iter().find(|(known, _)| known == name));
        match measured {
            Some((_, value)) => findings.value(name, &attributes, *value),
            None => findings.absent(name, &attributes),
        }
    }
    let Some(answer) = answer else { return };
    let mut part = Part::new("probe", probe.name.as_str());
    part.detail("kind", kind);
    part.detail("target", target);
    part.detail("every", format_duration(probe.every));
    match answer.up {
        Some(true) => {}
        Some(false) => part.judge(PartStatus::Failed, &answer.reason),
        None => part.judge(PartStatus::Unread, &answer.reason),
    }
    findings.part(part);
}
