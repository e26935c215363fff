//! The name that was probably meant.

/// The known name nearest to a misspelt one, when one is near enough to be worth suggesting.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A name that is thousands of characters long is no typing error, and the distance is quadratic in it.
    if wrong.len() > 64 {
        return None;
    }
    let lower = wrong.to_lowercase();
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= (name.chars().count() / 3).clamp(1, 3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_enough_or_nothing() {
        assert_eq!(nearest("timout", ["timeout", "tool"]), Some("timeout"));
        assert_eq!(nearest("Cluade", ["chat", "claude"]), Some("claude"));
        assert_eq!(nearest("zzz", ["timeout", "tool"]), None);
        assert_eq!(nearest(&"x".repeat(100_000), ["timeout"]), None);
    }
}
