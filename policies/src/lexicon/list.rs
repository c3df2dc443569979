//! `lexicons/*.txt`: one term a line, with its classes behind a tab where they
//! are not those of the detector that names the file.

use std::collections::BTreeMap;

use super::{
    term::{Term, TermFault},
    trie::SPACES,
};
use crate::{
    diagnostic::{Faults, FileText},
    limits,
    risk::{CLASS_RULE, Classes},
    tomlfile::cut,
};

/// The terms of one file, each once.
#[derive(Debug, Default)]
pub(crate) struct List {
    pub(crate) terms: Vec<Term>,
    /// Of each term; none where the file says none.
    pub(crate) classes: Vec<Classes>,
    /// Whether terms that are long enough are looked for in decoded text.
    pub(crate) decode: bool,
}

impl List {
    /// Reads a file.
    pub(crate) fn read(
        file: &FileText,
        match_bytes: usize,
        decode: bool,
        faults: &mut Faults,
    ) -> List {
        let mut terms: BTreeMap<Term, Classes> = BTreeMap::new();
        let (mut at, mut wrong) = (0usize, 0usize);
        let whole = file.text.strip_prefix('\u{feff}').unwrap_or(&file.text);
        let mut from = file.text.len().saturating_sub(whole.len());
        for line in whole.split_inclusive('\n') {
            let place = from..from.saturating_add(line.trim_end().len());
            from = from.saturating_add(line.len());
            let line = line.trim_end_matches(['\n', '\r']);
            if line.trim().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            at = at.saturating_add(1);
            match term(line, match_bytes) {
                Ok((term, classes)) => {
                    let known = terms.entry(term).or_default();
                    *known = known.and(classes);
                }
                Err((message, expected)) => {
                    wrong = wrong.saturating_add(1);
                    faults.push(file.fault(place.clone(), message).expect(expected));
                }
            }
            if terms.len() > limits::LEXICON_TERMS {
                let fault = file.fault(place, "one term too many");
                faults.push(fault.expect(format!("at most {} terms", limits::LEXICON_TERMS)));
                break;
            }
            // Each fault's line is counted from the top of the file.
            if wrong >= limits::FAULTS {
                break;
            }
        }
        if at == 0 {
            faults.push(file.fault(0..0, "the lexicon has no term").expect("one term a line"));
        }
        let (terms, classes) = terms.into_iter().unzip();
        List { terms, classes, decode }
    }
}

/// A line's term and classes, or what is wrong with it and what was expected.
fn term(line: &str, match_bytes: usize) -> Result<(Term, Classes), (String, String)> {
    let (text, ids) = line.split_once('\t').unwrap_or((line, ""));
    let classes = Classes::parse(ids.trim()).map_err(|id| {
        let expected = format!("nothing, or a tab and then {CLASS_RULE}, with commas between them");
        (format!("`{}` is no class", cut(&id)), expected)
    })?;
    let term = Term::parse(text).map_err(|fault| {
        let expected = match fault {
            TermFault::Empty => "a term that can be seen".to_owned(),
            TermFault::Control(_) => "text without control characters".to_owned(),
            TermFault::Long(most) => format!("at most {most} bytes"),
        };
        (fault.to_string(), expected)
    })?;
    let spaces = term.as_str().matches(' ').count();
    let most = term
        .as_str()
        .len()
        .saturating_add(spaces.saturating_mul(usize::from(SPACES).saturating_sub(1)));
    if most > match_bytes {
        let expected = format!(
            "a text of at most {match_bytes} bytes (`match_bytes`), with every space {SPACES} long"
        );
        return Err((format!("the term stands for texts of up to {most} bytes"), expected));
    }
    Ok((term, classes))
}
