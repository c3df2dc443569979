//! Where the text of a conversation came from, and where it goes.
//!
//! Of every text that is observed a trace keeps fingerprints (`marks.rs`) and
//! distinctive words (`tokens.rs`), of what user and operator wrote also what
//! it names (`naming.rs`), of records which value goes by which name
//! (`record.rs`). All are hashes: a trace holds nobody's words. Of an argument
//! it can then be said which labels its text carries and who named it.

pub(crate) mod forms;
pub(crate) mod marks;
pub(crate) mod naming;
pub(crate) mod observe;
pub(crate) mod record;
pub(crate) mod tokens;
pub(crate) mod tools;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::{
    forms::{Forms, letters, turned},
    marks::{SPAN, marks},
    record::{Record, records},
    tokens::{Kind, tokens},
};
use crate::limits;

/// Sets of labels, by their places in `Flow::labels`.
pub(crate) type Mask = u64;

/// What one text was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Text {
    labels: Mask,
    /// Somebody who may say so named what it was fetched by.
    wanted: bool,
}

/// What is remembered of a call until its result comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// An argument was named by user or operator.
    pub(crate) wanted: bool,
    /// The labels of arguments that nobody named and no record lists.
    pub(crate) labels: Mask,
}

/// Who may name things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voice {
    /// A user or an operator.
    Principal,
    /// A source of the house, such as its address book.
    House,
}

/// What is known of a conversation's texts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// Names of labels; a mask's bits are places here.
    labels: Vec<String>,
    texts: Vec<Text>,
    marks: BTreeSet<(u64, u16)>,
    tokens: BTreeSet<(u64, u16)>,
    /// Whole values of records.
    listed: BTreeSet<(u64, u16)>,
    /// What user and operator named (true), and the house (false).
    named: BTreeMap<u64, bool>,
    /// Values with the names of their records.
    aliases: BTreeSet<(u64, u64)>,
    /// Names with the addresses that go by them.
    bearers: BTreeSet<(u64, u64)>,
    asked: BTreeMap<u64, Asked>,
    /// What the calls of all other tools were made of.
    other_calls: Asked,
    /// Labels of texts that a bound kept from being remembered whole.
    spilled: Mask,
    /// The tool whose call was observed last, with nothing since.
    calling: Option<u64>,
}

/// What a record lists, and what it goes by.
#[derive(Debug, Default)]
pub(crate) struct Listing<'r> {
    /// What identifies it: ids, addresses, accounts.
    pub(crate) values: Vec<&'r str>,
    /// Whose it is.
    pub(crate) people: Vec<&'r str>,
    /// What it is called.
    pub(crate) titles: Vec<&'r str>,
}

/// Where a value came from and who named it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Provenance {
    /// Labels of the texts in which it stands.
    pub(crate) labels: Mask,
    /// Those texts.
    pub(crate) texts: BTreeSet<u16>,
    /// Texts that list it as a whole value.
    pub(crate) listed: BTreeSet<u16>,
    /// Whether user or operator wrote it.
    pub(crate) named: bool,
    /// Whether they or the house did.
    pub(crate) known: bool,
    /// Whether they did, or spoke of the record that it is in.
    pub(crate) referred: bool,
    /// Whether some text holds it as it is.
    pub(crate) read: bool,
}

impl Provenance {
    /// Whether only the running words of labelled texts account for it.
    pub(crate) fn is_quoted(&self) -> bool {
        self.labels != 0 && !self.referred && self.listed.is_empty()
    }
}

impl Flow {
    /// The set of these labels. A bundle declares at most as many as a mask
    /// has bits.
    pub(crate) fn mask<'l>(&mut self, labels: impl Iterator<Item = &'l str>) -> Mask {
        let mut mask = 0;
        for label in labels {
            let place = match self.labels.iter().position(|known| known == label) {
                Some(place) => place,
                None if self.labels.len() < limits::LABELS => {
                    self.labels.push(label.to_owned());
                    self.labels.len().saturating_sub(1)
                }
                // A label that cannot be told from others is all of them.
                None => return Mask::MAX,
            };
            mask |= bit(place);
        }
        mask
    }

    /// The labels of a set.
    pub(crate) fn names(&self, mask: Mask) -> impl Iterator<Item = &str> {
        let numbered = self.labels.iter().enumerate();
        numbered.filter(move |(place, _)| mask & bit(*place) != 0).map(|(_, name)| name.as_str())
    }

    /// The set of one label, empty where no text has it.
    pub(crate) fn one(&self, label: &str) -> Mask {
        self.labels.iter().position(|known| known == label).map_or(0, bit)
    }

    /// Takes a label from every text.
    pub(crate) fn forget(&mut self, label: &str) {
        let mask = !self.one(label);
        self.texts.iter_mut().for_each(|text| text.labels &= mask);
        self.asked.values_mut().for_each(|asked| asked.labels &= mask);
        self.other_calls.labels &= mask;
        self.spilled &= mask;
    }

    /// Remembers what user and operator, or the house, name.
    pub(crate) fn name(&mut self, text: &str, voice: Voice) {
        let mut cut = text.len().min(limits::FLOW_NAMING_BYTES);
        while !text.is_char_boundary(cut) {
            cut = cut.saturating_sub(1);
        }
        let text = text.get(..cut).unwrap_or_default();
        if voice == Voice::Principal {
            naming::pointed_at(text, |name| self.note_name(name, true));
            naming::mentioned(text, |name| self.note_name(name, true));
            return;
        }
        for Record { fields, .. } in records(text) {
            for (_, value) in fields {
                naming::needs(&value).into_iter().flatten().for_each(|n| self.note_name(n, false));
            }
        }
        let mut words = Vec::new();
        tokens(text, |_, word| words.push(word.to_owned()));
        for need in words.iter().flat_map(|word| naming::needs(word)).flatten() {
            self.note_name(need, false);
        }
    }

    /// What is not remembered is not named, which refuses.
    fn note_name(&mut self, name: u64, by_principal: bool) {
        if self.named.len() < limits::FLOW_NAMES || self.named.contains_key(&name) {
            let known = self.named.entry(name).or_default();
            *known = *known || by_principal;
        }
    }

    /// Remembers a text that may come back.
    pub(crate) fn remember(&mut self, text: &str, labels: Mask, wanted: bool) -> u16 {
        let place = self.texts.len().min(limits::FLOW_TEXTS.saturating_sub(1));
        match self.texts.get_mut(place) {
            // The last place is shared by all that come after.
            Some(last) => {
                last.labels |= labels;
                last.wanted &= wanted;
            }
            None => self.texts.push(Text { labels, wanted }),
        }
        let place = u16::try_from(place).unwrap_or(u16::MAX);
        let forms = Forms::of(text);
        let mut spilled = forms.spilled;
        let (mut kept, mut words) = (0usize, 0usize);
        for form in &forms.all {
            for mark in marks(&letters(form.chars())) {
                if kept >= limits::FLOW_TEXT_MARKS || self.marks.len() >= limits::FLOW_MARKS {
                    spilled = true;
                    break;
                }
                kept = kept.saturating_add(usize::from(self.marks.insert((mark, place))));
            }
            tokens(&plain(form), |_, word| {
                if words >= limits::FLOW_TEXT_TOKENS || self.tokens.len() >= limits::FLOW_TOKENS {
                    spilled = true;
                    return;
                }
                let new = self.tokens.insert((hash("token", word), place));
                words = words.saturating_add(usize::from(new));
            });
        }
        if spilled {
            self.spilled |= labels;
        }
        place
    }

    /// Remembers the values of a record and what they go by.
    pub(crate) fn list(&mut self, place: u16, listing: &Listing<'_>) {
        let mut values: BTreeSet<u64> = BTreeSet::new();
        for value in &listing.values {
            if self.listed.len() < limits::FLOW_LISTED {
                self.listed.insert((whole(value), place));
            }
            values.extend(naming::needs(value).into_iter().take(VALUE_NEEDS).flatten());
        }
        let mut names: BTreeSet<u64> = BTreeSet::new();
        listing.titles.iter().for_each(|text| naming::title(text, |n| names.extend([n])));
        let mut persons: BTreeSet<u64> = BTreeSet::new();
        listing.people.iter().for_each(|text| naming::person(text, |n| persons.extend([n])));
        let mut addresses: BTreeSet<u64> = BTreeSet::new();
        for (kind, address) in listing.values.iter().flat_map(|value| tokens::addresses(value)) {
            if kind == Kind::Email {
                addresses.insert(hash("bearer", &address));
            }
        }
        for name in persons {
            for address in &addresses {
                if self.bearers.len() < limits::FLOW_ALIASES {
                    self.bearers.insert((name, *address));
                }
            }
            names.insert(name);
        }
        for value in values {
            for name in &names {
                if self.aliases.len() < limits::FLOW_ALIASES {
                    self.aliases.insert((value, *name));
                }
            }
        }
    }

    /// Remembers a call, or more of it, until its result comes.
    pub(crate) fn call(&mut self, tool: &str, asked: Asked) {
        let tool = hash("tool", tool);
        let known = self.calling == Some(tool);
        if self.asked.len() >= limits::FLOW_TOOLS && !self.asked.contains_key(&tool) {
            self.other_calls.labels |= asked.labels;
            return;
        }
        let entry = self.asked.entry(tool).or_default();
        *entry = match known {
            true => {
                Asked { wanted: entry.wanted || asked.wanted, labels: entry.labels | asked.labels }
            }
            false => asked,
        };
        self.calling = Some(tool);
    }

    /// What the last call of a tool was.
    pub(crate) fn asked(&mut self, tool: &str) -> Asked {
        self.calling = None;
        self.asked.get(&hash("tool", tool)).copied().unwrap_or(self.other_calls)
    }

    /// Where a value came from and who named it.
    pub(crate) fn of(&self, value: &str) -> Provenance {
        let mut found = Provenance::default();
        let forms = Forms::of(value);
        for (number, form) in forms.all.iter().enumerate() {
            let straight = letters(form.chars());
            self.look(&marks(&straight), &mut found);
            if number == 0 {
                // What the sender turned or reversed was plain where it was read.
                self.look(&marks(&turned(&straight)), &mut found);
                self.look(&marks(&letters(form.chars().rev())), &mut found);
            }
            tokens(&plain(form), |kind, word| {
                // What the user wrote as well came from the user.
                if !self.named.get(&naming::name_of(kind, word)).is_some_and(|said| *said) {
                    found.texts.extend(places(&self.tokens, hash("token", word)));
                }
            });
        }
        found.listed.extend(places(&self.listed, whole(value)));
        found.read = !found.listed.is_empty() || self.holds(value);
        let ways = naming::needs(value);
        let met =
            |has: &dyn Fn(u64) -> bool| ways.iter().all(|ways| ways.iter().any(|way| has(*way)));
        found.named = met(&|way| self.named.get(&way).is_some_and(|principal| *principal));
        found.known = met(&|way| self.named.contains_key(&way));
        found.referred = met(&|way| self.named.contains_key(&way) || self.is_referred(way));
        found.labels = found.texts.iter().fold(0, |mask, text| mask | self.labels_of(*text));
        if !found.named {
            found.labels |= self.spilled_into(value);
        }
        found
    }

    /// The labels of what was not remembered whole, where the value is long
    /// enough to be some of it.
    fn spilled_into(&self, value: &str) -> Mask {
        let may_be = self.spilled != 0
            && (letters(value.chars()).len() >= SPAN || !tokens::addresses(value).is_empty());
        if may_be { self.spilled } else { 0 }
    }

    /// Whether some text holds the value, a distinctive word, as it is.
    fn holds(&self, value: &str) -> bool {
        let word = tokens::only_word(&plain(value));
        word.is_some_and(|word| places(&self.tokens, hash("token", &word)).next().is_some())
    }

    fn look(&self, marks: &BTreeSet<u64>, found: &mut Provenance) {
        found.texts.extend(marks.iter().flat_map(|mark| places(&self.marks, *mark)));
    }

    /// Whether the user spoke of a record in which this stands. A name that two
    /// addresses go by is nobody's: one of them may have taken it.
    fn is_referred(&self, value: u64) -> bool {
        let names = self.aliases.range((value, 0)..=(value, u64::MAX)).map(|(_, name)| *name);
        // Past the bound nobody knows who else goes by a name.
        if self.bearers.len() >= limits::FLOW_ALIASES {
            return false;
        }
        let mut said =
            names.filter(|name| self.named.get(name).is_some_and(|principal| *principal));
        said.any(|name| self.bearers.range((name, 0)..=(name, u64::MAX)).take(2).count() < 2)
    }

    /// The labels of one text.
    pub(crate) fn labels_of(&self, text: u16) -> Mask {
        self.texts.get(usize::from(text)).map_or(0, |text| text.labels)
    }

    /// Whether somebody who may say so asked for a text.
    pub(crate) fn is_wanted(&self, text: u16) -> bool {
        self.texts.get(usize::from(text)).is_some_and(|text| text.wanted)
    }

    /// Whether this is within what any conversation comes to.
    pub(crate) fn is_bounded(&self) -> bool {
        let texts = u16::try_from(self.texts.len()).unwrap_or(u16::MAX);
        let within = |set: &BTreeSet<(u64, u16)>, most: usize| {
            set.len() <= most && set.iter().all(|(_, text)| *text < texts)
        };
        self.labels.len() <= limits::LABELS
            && self.labels.iter().all(|label| label.len() <= limits::NAME_BYTES)
            && self.texts.len() <= limits::FLOW_TEXTS
            && within(&self.marks, limits::FLOW_MARKS)
            && within(&self.tokens, limits::FLOW_TOKENS)
            && within(&self.listed, limits::FLOW_LISTED)
            && self.named.len() <= limits::FLOW_NAMES
            && self.aliases.len() <= limits::FLOW_ALIASES
            && self.bearers.len() <= limits::FLOW_ALIASES
            && self.asked.len() <= limits::FLOW_TOOLS
    }
}

/// A hash that nobody can aim at: what is compared decides whether a stranger
/// named an address.
pub(crate) fn hash(space: &str, text: &str) -> u64 {
    let mut digest = Sha256::new();
    digest.update(space.as_bytes());
    digest.update([0]);
    digest.update(text.as_bytes());
    let digest = digest.finalize();
    digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

/// A value as a whole, whatever its case.
fn whole(value: &str) -> u64 {
    hash("whole", &value.trim().to_lowercase())
}

/// The text folded, as fingerprints are taken.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| crate::fold::fold(c, |plain| out.push(plain)));
    out
}

fn places(set: &BTreeSet<(u64, u16)>, hash: u64) -> impl Iterator<Item = u16> {
    set.range((hash, 0)..=(hash, u16::MAX)).map(|(_, place)| *place)
}

fn bit(place: usize) -> Mask {
    u32::try_from(place).ok().and_then(|place| 1u64.checked_shl(place)).unwrap_or(0)
}

/// A value that takes more than this to name is a text.
const VALUE_NEEDS: usize = 8;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod suite;
