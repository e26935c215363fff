//! Names of tools: what model APIs take, and nothing that two tools could share by accident.

use crate::event::Sha256;

/// Characters of a name, at most; what the strictest of the model APIs takes.
const LIMIT: usize = 64;

/// The name that the model sees: `mcp__<server>__<tool>`, with `_` for what a name must not hold. One that is too long
/// ends in the beginning of its hash, so that names that differ only at their end stay different.
pub(super) fn tool_name(server: &str, tool: &str) -> String {
    let whole = format!("mcp__{server}__{tool}");
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let name: String = whole.chars().map(|letter| if allowed(letter) { letter } else { '_' }).collect();
    if name.len() <= LIMIT {
        return name;
    }
    let hash = Sha256::of(whole.as_bytes()).to_string();
    let (head, tail) = (LIMIT - 9, 8);
    format!("{}_{}", &name[..head], &hash[..tail])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_what_a_model_api_takes() {
        for (server, tool, name) in [
            ("docs", "search", "mcp__docs__search"),
            ("a-b", "get_Sum", "mcp__a-b__get_Sum"),
            ("my docs", "read/file.txt", "mcp__my_docs__read_file_txt"),
            ("é", "", "mcp_____"),
        ] {
            assert_eq!(tool_name(server, tool), name);
        }
        let long = "x".repeat(100);
        let (one, two) = (tool_name("s", &format!("{long}1")), tool_name("s", &format!("{long}2")));
        assert_eq!((one.len(), two.len()), (64, 64));
        assert_ne!(one, two);
        assert!(one.starts_with("mcp__s__xxx"));
    }

    proptest! {
        #[test]
        fn every_name_is_within_the_limits(server in ".{0,80}", tool in ".{0,80}") {
            let name = tool_name(&server, &tool);
            prop_assert!(name.len() <= LIMIT && name.starts_with("mcp__"));
            prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
            prop_assert_eq!(&name, &tool_name(&server, &tool));
        }
    }
}
