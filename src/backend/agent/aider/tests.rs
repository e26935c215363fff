use super::words::{bare, complaint_at, retrying};
use super::*;

const DONE: ExitFacts = ExitFacts { code: Some(0), signal: None };
const BANNER: &str = "Aider v0.86.2\nMain model: openai/m with whole edit format\nWeak model: w\nGit repo: none\nRepo-map: disabled\n\n";

fn feed(text: &str) -> (AiderDialect, Vec<Signal>) {
    let mut dialect = AiderDialect::new();
    let mut out = Vec::new();
    for line in format!("{BANNER}{text}").lines() {
        dialect.line(line.as_bytes(), &mut out);
        dialect.flush(&mut out);
    }
    dialect.end(&mut out);
    (dialect, out)
}

fn verdict(text: &str) -> Result<Answer, Failure> {
    feed(text).0.finish(DONE, "")
}

fn fatal(out: &[Signal]) -> Option<FaultClass> {
    out.iter().find_map(|signal| match signal {
        Signal::Fatal(failure) | Signal::Runaway(failure) => Some(failure.class),
        _ => None,
    })
}

#[test]
fn the_line_about_tokens_is_read_to_the_last_word() {
    let rows = [
        ("Tokens: 597 sent, 7 received.", Some((597, 0, 0, 7, None))),
        (
            "Tokens: 2.5k sent, 12k received. Cost: $0.0062 message, $1.02 session.",
            Some((2500, 0, 0, 12_000, Some(0.0062))),
        ),
        (
            "Tokens: 12k sent, 1.2k cache write, 3.0k cache hit, 10 received.",
            Some((7800, 1200, 3000, 10, None)),
        ),
        ("Tokens: many sent, 7 received.", None),
        ("Tokens: 7 received.", None),
        ("Tokens: 5", None),
        ("tokens: 597 sent, 7 received.", None),
    ];
    for (line, expected) in rows {
        let read =
            Tokens::read(line).map(|read| (read.fresh(), read.written, read.hit, read.received, read.usd));
        assert_eq!(read, expected, "{line}");
    }
}

#[test]
fn an_answer_is_what_stands_between_the_banner_and_the_tokens() {
    assert_eq!(
        verdict("\n  Four.\n\n - is it\n \nTokens: 5 sent, 3 received.\n").unwrap().text,
        "  Four.\n\n - is it"
    );
    let after = "Four.\nTokens: 5 sent, 3 received.\n\nApplied edit to a.txt\nCommit 8b838aa Four.\n";
    assert_eq!(verdict(after).unwrap().text, "Four.");
    // It asks again by itself, as after an edit that does not fit: the last answer is the answer.
    let again = "One.\nTokens: 5 sent, 3 received.\nTwo.\nTokens: 6 sent, 3 received.\n";
    assert_eq!(verdict(again).unwrap().text, "Two.");
    assert_eq!(
        feed(again).1.iter().filter(|signal| matches!(signal, Signal::Report(Report::Usage(_)))).count(),
        2
    );
    assert_eq!(verdict(" \nTokens: 5 sent, 1 received.").unwrap_err().class, FaultClass::NoPayload);
    // Without that line nothing has ended.
    assert_eq!(verdict("Four.\n").unwrap_err().class, FaultClass::Transport);
}

#[test]
fn a_complaint_that_a_model_quotes_is_its_answer() {
    let text = "The log says\nlitellm.AuthenticationError: no key\nThe API provider is down.\n\nSo set one.\nTokens: 5 sent, 3 received.\n";
    let (mut dialect, out) = feed(text);
    assert_eq!(fatal(&out), None);
    let answer = dialect.finish(DONE, "").unwrap().text;
    assert!(answer.contains("litellm.AuthenticationError") && answer.ends_with("So set one."), "{answer}");
}

#[test]
fn what_can_not_help_and_what_takes_too_long_is_ended() {
    let quota = "litellm.RateLimitError: OpenAIException - You exceeded your \ncurrent quota.\nThe API provider has rate limited you.\nRetrying in 0.2 seconds...\n";
    assert_eq!(fatal(&feed(quota).1), Some(FaultClass::QuotaExhausted));
    let busy = "litellm.InternalServerError: down\nThe API provider's servers are down or \noverloaded.\nRetrying in 0.2 seconds...\n";
    assert_eq!(fatal(&feed(busy).1), None);
    assert_eq!(fatal(&feed(&busy.repeat(2)).1), None);
    let (mut dialect, out) = feed(&busy.repeat(3));
    assert_eq!(fatal(&out), Some(FaultClass::ServerError));
    let failure = dialect.finish(ExitFacts { code: None, signal: Some(15) }, "").unwrap_err();
    assert_eq!((failure.class, failure.emitted_output), (FaultClass::ServerError, false));
    // What it has overcome is no failure.
    assert_eq!(verdict(&format!("{busy}Four.\nTokens: 5 sent, 3 received.\n")).unwrap().text, "Four.");
}

#[test]
fn a_complaint_comes_right_behind_what_had_been_said() {
    let (mut dialect, out) =
        feed("The litellm.APIConnectionError: peer closed connection\nRetrying in 0.5 seconds...\n");
    assert!(out.iter().any(|signal| matches!(signal, Signal::Report(Report::Begun))));
    let failure = dialect.finish(ExitFacts { code: None, signal: Some(9) }, "").unwrap_err();
    assert_eq!((failure.class, failure.emitted_output), (FaultClass::Transport, true));
}

#[test]
fn a_banner_is_no_sign_of_the_model() {
    let words = format!("{:?}", feed("").1);
    assert!(words.contains("aider 0.86.2") && words.contains("openai/m"), "{words}");
    assert!(!words.contains("Begun") && !words.contains("Text("), "{words}");
}

#[test]
fn both_token_limits_have_the_same_words() {
    let limit = "\n\nModel openai/m has hit a token limit!\nToken counts below are approximate.\n";
    assert_eq!(verdict(&format!("Part\n{limit}")).unwrap_err().class, FaultClass::OutputLimit);
    let overflow = format!("\nTokens: 597 sent, 0 received.\n{limit}");
    assert_eq!(verdict(&overflow).unwrap_err().class, FaultClass::ContextOverflow);
}

#[test]
fn what_came_before_the_banner_is_the_reason_where_there_is_no_other() {
    let mut dialect = AiderDialect::new();
    dialect.line(b"Unknown option --frob", &mut Vec::new());
    let failure = dialect.finish(ExitFacts { code: Some(2), signal: None }, "").unwrap_err();
    assert_eq!((failure.class, failure.evidence.as_str()), (FaultClass::AgentCrash, "Unknown option --frob"));
}

#[test]
fn small_words() {
    assert_eq!(retrying("Retrying in 16.0 seconds..."), Some(16.0));
    assert_eq!(retrying("Retrying in a moment"), None);
    assert_eq!(complaint_at("The litellm.Timeout: x"), Some(4));
    for none in ["", "litellm.completion(model)", "use litellm: it", "litellm.Error"] {
        assert_eq!(complaint_at(none), None, "{none}");
    }
    assert_eq!(bare("\n \n  a\nb\n \n"), "  a\nb");
    assert_eq!(bare(" \n"), "");
}
