//! What the headers of a response advise: when to come back, and whether at all.

use jiff::Timestamp;
use reqwest::header::HeaderMap;

/// A wait from here on is not for a busy minute but for a limit that is used up.
const LONG_WAIT: f64 = 300.0;

/// The advice of one response.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Advice {
    /// Come back after so many seconds.
    pub(super) seconds: Option<f64>,
    /// Come back at this time.
    pub(super) until: Option<Timestamp>,
    /// Try again, or do not, whatever the status is.
    pub(super) should_retry: Option<bool>,
    /// The account's plan is used up.
    pub(super) rejected: bool,
    /// The limit that says so.
    pub(super) claim: Option<String>,
}

impl Advice {
    /// Reads headers. What makes no sense is not there.
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let date = |name: &str| {
            text(name).and_then(|text| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok())
        };
        let number = |name: &str| {
            text(name)
                .and_then(|text| text.parse::<f64>().ok())
                .filter(|number| number.is_finite() && *number >= 0.0)
        };
        // A time is counted from the server's own clock, so that ours need not be right.
        let now = date("date");
        let counted = |until: Timestamp| Some(until.duration_since(now?).as_secs_f64().max(0.0));
        let until = date("retry-after");
        let seconds = number("retry-after-ms").map(|millis| millis / 1000.0);
        let seconds = seconds.or_else(|| number("retry-after")).or_else(|| counted(until?));
        // A plan has one limit that counts; the others are only reported.
        let rejected = text("anthropic-ratelimit-unified-status") == Some("rejected");
        let claim =
            text("anthropic-ratelimit-unified-representative-claim").filter(|claim| !claim.is_empty());
        let reset = text("anthropic-ratelimit-unified-reset").and_then(moment).filter(|_| rejected);
        let busy = || {
            let spent = |prefix: &str, kind: &str| text(&format!("{prefix}-remaining{kind}")) == Some("0");
            let anthropic =
                ["requests", "tokens", "input-tokens", "output-tokens"].iter().filter_map(|kind| {
                    let prefix = format!("anthropic-ratelimit-{kind}");
                    let reset = text(&format!("{prefix}-reset")).filter(|_| spent(&prefix, ""))?;
                    counted(moment(reset)?)
                });
            let openai = ["-requests", "-tokens"].iter().filter_map(|kind| {
                let reset =
                    text(&format!("x-ratelimit-reset{kind}")).filter(|_| spent("x-ratelimit", kind))?;
                length(reset)
            });
            // All of them must have passed.
            anthropic.chain(openai).reduce(f64::max)
        };
        let seconds = seconds.or_else(|| counted(reset?)).or_else(busy);
        let far = seconds.filter(|seconds| *seconds > LONG_WAIT).and_then(|seconds| {
            let wait = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
            now?.checked_add(wait).ok()
        });
        Self {
            seconds,
            until: reset.or(until).or(far),
            should_retry: text("x-should-retry").and_then(|text| text.parse().ok()),
            rejected,
            claim: claim.filter(|_| rejected).map(str::to_owned),
        }
    }
}

/// Seconds since 1970, or a date.
fn moment(text: &str) -> Option<Timestamp> {
    match text.parse() {
        Ok(seconds) => Timestamp::from_second(seconds).ok(),
        Err(_) => text.parse().ok(),
    }
}

/// `250ms`, `6m0s`, or plain seconds.
fn length(text: &str) -> Option<f64> {
    let seconds = match text.parse::<f64>() {
        Ok(seconds) => seconds,
        Err(_) => text.parse::<jiff::SignedDuration>().ok()?.as_secs_f64(),
    };
    (seconds.is_finite() && seconds >= 0.0).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    const NOW: (&str, &str) = ("date", "Sat, 21 Nov 2026 10:00:00 GMT");

    fn read(headers: &[(&'static str, &str)]) -> Advice {
        let header = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        Advice::read(&headers.iter().map(header).collect())
    }

    #[test]
    fn a_wait_is_read_in_every_form() {
        let wait = |name, value| read(&[NOW, (name, value)]).seconds;
        assert_eq!(wait("retry-after", "7"), Some(7.0));
        assert_eq!(wait("retry-after-ms", "250"), Some(0.25));
        assert_eq!(wait("retry-after", "Sat, 21 Nov 2026 10:01:30 GMT"), Some(90.0));
        assert_eq!(wait("retry-after", "Sat, 21 Nov 2026 09:00:00 GMT"), Some(0.0));
        assert_eq!(wait("retry-after", "soon"), None);
        assert_eq!(wait("retry-after", "-1"), None);
        let undated = read(&[("retry-after", "Sat, 21 Nov 2026 10:01:30 GMT")]);
        let until = "2026-11-21T10:01:30Z".parse().ok();
        assert_eq!(undated, Advice { until, ..Advice::default() });
        assert_eq!(read(&[NOW, ("retry-after", "7")]).until, None);
        assert_eq!(read(&[NOW, ("retry-after", "3600")]).until, "2026-11-21T11:00:00Z".parse().ok());
        assert_eq!(read(&[NOW, ("retry-after", "1e300")]).until, None);
    }

    #[test]
    fn a_bucket_counts_only_while_it_is_empty() {
        let openai = |left| {
            read(&[("x-ratelimit-remaining-tokens", left), ("x-ratelimit-reset-tokens", "6m0s")]).seconds
        };
        assert_eq!((openai("0"), openai("12")), (Some(360.0), None));
        let both = read(&[
            NOW,
            ("anthropic-ratelimit-requests-remaining", "0"),
            ("anthropic-ratelimit-requests-reset", "2026-11-21T10:00:20Z"),
            ("anthropic-ratelimit-input-tokens-remaining", "0"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-21T10:00:45Z"),
            ("anthropic-ratelimit-output-tokens-remaining", "9"),
            ("anthropic-ratelimit-output-tokens-reset", "2026-11-21T10:09:00Z"),
        ]);
        assert_eq!((both.seconds, both.until), (Some(45.0), None));
        assert_eq!(length("1s"), Some(1.0));
        assert_eq!(length("a while"), None);
    }

    #[test]
    fn a_plan_that_is_used_up_says_which_limit_and_until_when() {
        let unified = |status| {
            read(&[
                NOW,
                ("anthropic-ratelimit-unified-status", status),
                ("anthropic-ratelimit-unified-representative-claim", "five_hour"),
                ("anthropic-ratelimit-unified-reset", "1795266000"),
            ])
        };
        let used_up = unified("rejected");
        assert_eq!((used_up.rejected, used_up.claim.as_deref()), (true, Some("five_hour")));
        assert_eq!(used_up.until, Timestamp::from_second(1_795_266_000).ok());
        assert_eq!(unified("allowed_warning"), Advice::default());
        let bare = read(&[("anthropic-ratelimit-unified-status", "rejected")]);
        assert_eq!((bare.rejected, bare.claim), (true, None));
    }

    #[test]
    fn whether_to_try_again_is_yes_or_no() {
        let advice = |value| read(&[("x-should-retry", value)]).should_retry;
        assert_eq!((advice("true"), advice("false"), advice("maybe")), (Some(true), Some(false), None));
    }
}
