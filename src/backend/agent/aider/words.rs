//! The lines that are aider's own.

/// A line about tokens: `Tokens: 2.5k sent, 1.0k cache hit, 7 received. Cost: $0.0062 message, $0.02 session.`
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tokens {
    pub(super) sent: u64,
    pub(super) written: u64,
    pub(super) hit: u64,
    pub(super) received: u64,
    /// Dollars of this message.
    pub(super) usd: Option<f64>,
}

impl Tokens {
    pub(super) fn read(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("Tokens: ")?;
        let (counts, cost) = match rest.find(" received.") {
            Some(at) => rest.split_at(at + " received.".len()),
            None => return None,
        };
        let mut tokens = Self { sent: 0, written: 0, hit: 0, received: 0, usd: None };
        let mut sent = false;
        for part in counts.trim_end_matches('.').split(", ") {
            let (number, what) = part.split_once(' ')?;
            let number = count(number)?;
            match what {
                "sent" => {
                    tokens.sent = number;
                    sent = true;
                }
                "cache write" => tokens.written = number,
                "cache hit" => tokens.hit = number,
                "received" => tokens.received = number,
                _ => return None,
            }
        }
        let dollars =
            cost.trim().strip_prefix("Cost: $").and_then(|cost| cost.split(' ').next()?.parse().ok());
        tokens.usd = dollars.filter(|usd: &f64| usd.is_finite() && *usd >= 0.0);
        sent.then_some(tokens)
    }

    /// Input that was neither read from a cache nor written to one.
    pub(super) fn fresh(&self) -> u64 {
        self.sent.saturating_sub(self.hit).saturating_sub(self.written)
    }
}

/// `597`, `2.5k`, `12k`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what is wanted"
)]
fn count(text: &str) -> Option<u64> {
    let (number, factor) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1e3),
        None => match text.strip_suffix('M') {
            Some(number) => (number, 1e6),
            None => return text.parse().ok(),
        },
    };
    let number: f64 = number.parse().ok()?;
    (number.is_finite() && number >= 0.0).then(|| (number * factor).round() as u64)
}

/// Seconds as whole milliseconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what is wanted"
)]
pub(super) fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1e3).round() as u64
}

/// The model that the banner names.
pub(super) fn banner_model(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("Model: ").or_else(|| line.strip_prefix("Main model: "))?;
    rest.split_once(" with ").map(|(model, _)| model)
}

/// `Retrying in 0.2 seconds...`
pub(super) fn retrying(line: &str) -> Option<f64> {
    let seconds = line.trim().strip_prefix("Retrying in ")?.strip_suffix(" seconds...")?;
    seconds.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds >= 0.0)
}

/// `Model openai/x has hit a token limit!`
pub(super) fn is_limit(line: &str) -> bool {
    line.starts_with("Model ") && line.trim_end().ends_with(" has hit a token limit!")
}

/// Where in a line a complaint of its library begins. It comes right behind what the model had said.
pub(super) fn complaint_at(line: &str) -> Option<usize> {
    line.match_indices("litellm.").find_map(|(at, mark)| {
        let rest = &line[at + mark.len()..];
        let name = &rest[..rest.find(':')?];
        let known = name == "Timeout" || name.ends_with("Error");
        (known && name.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(at)
    })
}

/// What it prints after an answer about what it does with it.
pub(super) fn is_own(line: &str) -> bool {
    line.starts_with("Applied edit to ")
        || line.starts_with("Commit ")
        || line.starts_with("Added ") && line.contains(" to the chat")
}

/// An answer without the empty lines around it.
pub(super) fn bare(text: &str) -> &str {
    let text = text.trim_end();
    let start = text.find(|c: char| !c.is_whitespace()).unwrap_or(0);
    // The first line keeps its indentation.
    &text[text[..start].rfind('\n').map_or(0, |at| at + 1)..]
}

/// A complaint of its library, which is broken into lines of about 80 characters.
#[derive(Debug)]
pub(super) struct Complaint {
    text: String,
    part: Part,
}

/// Where in a complaint it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The provider's words.
    Words,
    /// Aider's explanation of the class. It says less than the words, and calls all that fails overloaded.
    Explanation,
    /// Behind the empty line that ends it.
    Over,
}

impl Complaint {
    pub(super) fn new(line: &str) -> Self {
        Self { text: line.trim_end().to_owned(), part: Part::Words }
    }

    /// Takes a line that belongs to it; at most `limit` bytes are kept. False where the line is another thing.
    pub(super) fn takes(&mut self, line: &str, limit: usize) -> bool {
        if line.trim().is_empty() {
            self.part = Part::Over;
        } else if self.part == Part::Over {
            // Pages that it would open for a person.
            return line.starts_with("https://");
        } else if line.starts_with("The API provider") {
            self.part = Part::Explanation;
        }
        if self.part == Part::Words && self.text.len() + line.len() < limit {
            self.text.push(' ');
            self.text.push_str(line.trim_end());
        }
        true
    }

    /// The words, on one line.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The class that the library names: `RateLimitError`.
    pub(super) fn name(&self) -> &str {
        let rest = self.text.strip_prefix("litellm.").unwrap_or_default();
        rest.split(':').next().unwrap_or_default()
    }
}
