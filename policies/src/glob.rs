//! Names with `*` and `?`, as tool names are listed.

/// A pattern for names. ASCII case does not matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob(Vec<char>);

impl Glob {
    pub(crate) fn new(text: &str) -> Glob {
        Glob(text.chars().map(|c| c.to_ascii_lowercase()).collect())
    }

    /// Whether it stands for every name.
    pub(crate) fn is_any(&self) -> bool {
        self.0.iter().all(|c| *c == '*') && !self.0.is_empty()
    }

    /// Whether a name matches. Goes back to the last `*` only: at most name
    /// times pattern steps, without recursion.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().map(|c| c.to_ascii_lowercase()).collect();
        let (mut at, mut from) = (0usize, 0usize);
        let mut star: Option<(usize, usize)> = None;
        while let Some(c) = name.get(from) {
            match self.0.get(at) {
                Some('*') => {
                    star = Some((at.saturating_add(1), from));
                    at = at.saturating_add(1);
                }
                Some(p) if *p == '?' || p == c => {
                    at = at.saturating_add(1);
                    from = from.saturating_add(1);
                }
                _ => match star {
                    Some((after, taken)) => {
                        at = after;
                        from = taken.saturating_add(1);
                        star = Some((after, from));
                    }
                    None => return false,
                },
            }
        }
        self.0.iter().skip(at).all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_names() {
        for (glob, name, yes) in [
            ("send_*", "send_email", true),
            ("send_*", "resend_email", false),
            ("*email*", "Gmail.SendEmail", true),
            ("*_to_*_x", "a_to_b_to_c_x", true),
            ("*_to_*_x", "a_to_b_to_c_y", false),
            ("pay?", "pays", true),
            ("pay?", "pay", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("查*", "查天气", true),
        ] {
            assert_eq!(Glob::new(glob).matches(name), yes, "{glob} {name}");
        }
        assert!(Glob::new("*").is_any() && !Glob::new("a*").is_any());
    }
}
