//! Counts.

/// Words a count: `1 round`, `3 rounds`, `2 tries`.
pub fn plural(count: u64, noun: &str) -> String {
    if count == 1 {
        return format!("1 {noun}");
    }
    match noun.strip_suffix('y') {
        // "try" becomes "tries", but "delay" becomes "delays".
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{count} {stem}ies"),
        _ if noun.ends_with(['s', 'x']) || noun.ends_with("ch") || noun.ends_with("sh") => {
            format!("{count} {noun}es")
        }
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english() {
        assert_eq!(plural(0, "round"), "0 rounds");
        assert_eq!(plural(1, "round"), "1 round");
        assert_eq!(plural(2, "try"), "2 tries");
        assert_eq!(plural(2, "delay"), "2 delays");
        assert_eq!(plural(3, "process"), "3 processes");
        assert_eq!(plural(3, "batch"), "3 batches");
    }
}
