//! How many terms a bundle's lexicons have, by class, and whether that is the
//! keyword library that GB/T 45654-2025 asks for: 10,000 terms in all, 200 for
//! each class of A.1 and 100 for each class of A.2.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    detector::{Detector, Kind},
    lexicon::Term,
    risk::{Class, Classes, LEAST_TERMS},
};

/// The terms of a bundle and of what it imports. A term that stands in several
/// lexicons is counted once, and once in each class that any of them gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TermCounts {
    /// Different terms.
    pub total: usize,
    /// Of these, terms that have no class.
    pub unclassed: usize,
    /// Every class that has terms or should have, in order.
    pub classes: Vec<ClassCount>,
}

/// The terms of one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The class.
    pub class: Class,
    /// Different terms.
    pub count: usize,
    /// The fewest that the standard asks for; 0 where it names no number.
    pub least: usize,
}

impl ClassCount {
    /// Whether there are enough.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.count >= self.least
    }
}

impl TermCounts {
    pub(crate) fn of(detectors: &[Detector]) -> TermCounts {
        let mut terms: BTreeMap<&Term, Classes> = BTreeMap::new();
        for detector in detectors {
            let Kind::Lexicon(list) = &detector.kind else { continue };
            for (term, classes) in list.terms.iter().zip(&list.classes) {
                let classes = if classes.is_empty() { detector.classes } else { *classes };
                let known = terms.entry(term).or_default();
                *known = known.and(classes);
            }
        }
        let classes = Class::all()
            .map(|class| ClassCount {
                class,
                count: terms.values().filter(|classes| classes.has(class)).count(),
                least: class.least_terms(),
            })
            .filter(|count| count.count > 0 || count.least > 0)
            .collect();
        let unclassed = terms.values().filter(|classes| classes.is_empty()).count();
        TermCounts { total: terms.len(), unclassed, classes }
    }

    /// Whether there are as many terms as the standard asks for, in all and in
    /// each class of A.1 and A.2.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.total >= LEAST_TERMS && self.classes.iter().all(ClassCount::is_met)
    }
}
