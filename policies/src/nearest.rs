//! The name that was probably meant.

/// Of these names the one nearest to a name that is none of them; nothing when
/// none is near enough to be a slip.
pub(crate) fn nearest<'n>(
    typed: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    let length = typed.chars().count();
    let far = (length / 3).clamp(1, 4);
    names
        .into_iter()
        .filter(|name| name.chars().count().abs_diff(length) <= far)
        .map(|name| (strsim::osa_distance(typed, name), name))
        .filter(|(distance, _)| *distance <= far)
        .min()
        .map(|(_, name)| name)
}

/// What was expected, with the name that was probably meant.
pub(crate) fn or_nearest<'n>(
    expected: &str,
    typed: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> String {
    match nearest(typed, names) {
        Some(name) => format!("{expected}: did you mean `{name}`?"),
        None => expected.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_other_names_are_not() {
        let names = ["secret", "pii", "injection", "secret_key"];
        for (typed, meant) in [
            ("secrets", Some("secret")),
            ("sercet", Some("secret")),
            ("inject1on", Some("injection")),
            ("pi", Some("pii")),
            ("harmful", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, names), meant, "{typed}");
        }
    }
}
