//! Which arguments play which role, and which fields of a record identify it.

use std::collections::BTreeSet;

use serde::Deserialize;
use toml::Spanned;

use super::Tools;
use crate::{
    flow::{
        Listing,
        record::Record,
        tokens::{Kind, addresses},
    },
    glob::Glob,
    validator::Validator,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRecords {
    tools: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    people: Vec<String>,
    #[serde(default)]
    titles: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRole {
    pub(super) id: Spanned<String>,
    #[serde(default, rename = "description")]
    _description: String,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    except: Vec<String>,
    #[serde(default)]
    shapes: Vec<Shape>,
    #[serde(default)]
    within: Vec<String>,
    #[serde(default)]
    receives: bool,
}

/// What a value is, whatever its argument is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    /// An e-mail address, or a list of them.
    Email,
    /// A link.
    Url,
    /// A bank account, a card or a telephone number.
    Account,
}

/// Tools whose results are laid out by the service, and how.
#[derive(Debug)]
pub(crate) struct Records {
    tools: Tools,
    values: Vec<Glob>,
    people: Vec<Glob>,
    titles: Vec<Glob>,
}

impl Records {
    pub(super) fn new(raw: RawRecords) -> Records {
        Records {
            tools: Tools::new(&raw.tools, &raw.except),
            values: globs(&raw.values),
            people: globs(&raw.people),
            titles: globs(&raw.titles),
        }
    }

    /// Whether a tool's results are records.
    pub(crate) fn are_of(&self, tool: Option<&str>) -> bool {
        self.tools.contains(tool)
    }

    /// What a record lists. A field without a name is a line of a list.
    pub(crate) fn listing<'r>(&self, record: &'r Record) -> Listing<'r> {
        let of = |globs: &[Glob], unnamed: bool| {
            record
                .fields
                .iter()
                .filter(|(name, _)| {
                    (name.is_empty() && unnamed) || globs.iter().any(|glob| glob.matches(name))
                })
                .map(|(_, value)| value.as_str())
                .collect()
        };
        Listing {
            values: of(&self.values, true),
            people: of(&self.people, false),
            titles: of(&self.titles, true),
        }
    }
}

/// What arguments do, by their names or by what their values look like.
#[derive(Debug)]
pub(crate) struct Role {
    pub(crate) id: String,
    arguments: Vec<Glob>,
    except: Vec<Glob>,
    shapes: Vec<Shape>,
    within: Vec<Glob>,
    /// Whether who these values name receives what the call carries.
    pub(crate) receives: bool,
}

impl Role {
    pub(super) fn new(raw: RawRole) -> Role {
        Role {
            id: raw.id.into_inner(),
            arguments: globs(&raw.arguments),
            except: globs(&raw.except),
            shapes: raw.shapes,
            within: globs(&raw.within),
            receives: raw.receives,
        }
    }

    /// The values of a call that play this role.
    pub(crate) fn values(&self, leaves: &[(Vec<String>, String)]) -> BTreeSet<String> {
        let mut values = BTreeSet::new();
        for (names, value) in leaves.iter().filter(|(_, value)| !value.trim().is_empty()) {
            let any = |globs: &[Glob]| {
                names.iter().any(|name| globs.iter().any(|glob| glob.matches(name)))
            };
            if any(&self.except) {
                continue;
            }
            if any(&self.arguments) || self.shapes.iter().any(|shape| shape.fits(value)) {
                values.insert(value.clone());
            } else if any(&self.within) {
                let found = addresses(value).into_iter();
                values.extend(found.filter(|(kind, _)| *kind != Kind::Host).map(|(kind, word)| {
                    if kind == Kind::Link { format!("https://{word}") } else { word }
                }));
            }
        }
        values
    }
}

impl Shape {
    /// Whether a whole value is of the shape.
    fn fits(self, value: &str) -> bool {
        let value = value.trim();
        let found = addresses(value);
        let only = |kind: Kind| {
            let inside: usize =
                found.iter().filter(|(one, _)| *one == kind).map(|(_, word)| word.len()).sum();
            // A sentence that mentions an address is not one.
            inside > 0
                && (value.split_whitespace().count() <= NAME_WORDS
                    || inside.saturating_mul(2) > value.len())
        };
        match self {
            Shape::Email => only(Kind::Email),
            Shape::Url => only(Kind::Link),
            Shape::Account => is_account(value),
        }
    }
}

/// Whether the value is a number that money or calls go to: what its own
/// checksum says is an account or a card, or a number with a country's prefix.
fn is_account(value: &str) -> bool {
    let plain: String = value.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    if !plain.chars().all(|c| c.is_ascii_alphanumeric() || c == '+') {
        return false;
    }
    let digits = plain.chars().filter(char::is_ascii_digit).count();
    let is =
        |name: &str| Validator::parse(name).is_some_and(|check| check.accepts(plain.as_bytes()));
    (plain.starts_with('+') && (8..=15).contains(&digits))
        || (digits == plain.len() && (13..=19).contains(&digits) && is("luhn"))
        || (plain.chars().take(2).all(|c| c.is_ascii_alphabetic()) && is("iban"))
        || (plain.len() == 42
            && plain.starts_with("0x")
            && plain.chars().skip(2).all(|c| c.is_ascii_hexdigit()))
        || (plain.len() >= 26 && (plain.starts_with("bc1") || plain.starts_with("tb1")))
}

fn globs(names: &[String]) -> Vec<Glob> {
    names.iter().map(|name| Glob::new(name)).collect()
}

/// `Anna Maria Berg <anna@example.com>` has four words.
const NAME_WORDS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_of_whole_values() {
        for (shape, value, fits) in [
            (Shape::Email, "bob@example.com", true),
            (Shape::Email, "Anna Maria Berg <anna@example.com>", true),
            (Shape::Email, "a@example.com, b@example.com", true),
            (Shape::Email, "Please write to bob@example.com before the end of the week.", false),
            (Shape::Url, "https://example.com/x", true),
            (Shape::Url, "see https://example.com/x for the rest of the long story", false),
            (Shape::Account, "DE89 3704 0044 0532 0130 00", true),
            (Shape::Account, "4111 1111 1111 1111", true),
            (Shape::Account, "+49 170 1234567", true),
            (Shape::Account, "1000234567", false),
            (Shape::Account, "2026-11-26", false),
        ] {
            assert_eq!(shape.fits(value), fits, "{value}");
        }
    }
}
