//! What a run is expected to cost.

use super::treat::candidate;
use crate::certify::{Costs, Outlook, expected, most};
use crate::event::RunId;
use crate::profile::Profile;
use crate::profile::element::Price;

fn seen(who: &str, cells: u64, usd: f64) -> Costs {
    let run = RunId::new("20260101T000000Z-certify-aaaa");
    Costs { who: who.to_owned(), cells, outlook: Outlook::Seen { run, answered: 40, usd } }
}

fn part(who: &str, outlook: Outlook) -> Costs {
    Costs { who: who.to_owned(), cells: 10, outlook }
}

#[test]
fn what_was_seen_is_a_figure_what_is_bounded_a_ceiling_and_the_rest_unknown() {
    let both = expected(&[seen("a", 100, 0.01), seen("b", 100, 0.02)], Some(3.5));
    assert!((both.usd.unwrap() - 3.0).abs() < 1e-12);
    assert_eq!((both.most_usd, both.over), (None, None));
    assert!(both.says.contains("b took $0.020000 a cell in 40 answers of 20260101"), "{}", both.says);

    let bounded = expected(&[seen("a", 100, 0.01), part("b", Outlook::Most(0.5))], Some(1.2));
    assert_eq!(bounded.usd, None, "a ceiling is no expectation");
    assert!((bounded.most_usd.unwrap() - 1.5).abs() < 1e-12);
    assert!(bounded.over.unwrap().contains("it may end"));

    let why = Outlook::Unknown("no price of x/y".to_owned());
    let unknown = expected(&[seen("a", 100, 0.01), part("b", why)], Some(0.5));
    assert_eq!((unknown.usd, unknown.most_usd), (None, None));
    assert!(unknown.says.ends_with("b: no price of x/y"), "{}", unknown.says);
    assert!(
        unknown.over.unwrap().contains("$1.0000 are expected at least: it will end"),
        "the known part is too much"
    );

    let nothing = expected(&[part("a", Outlook::Offline)], Some(0.5));
    assert_eq!((nothing.usd, nothing.over), (Some(0.0), None));
}

/// One turn of a priced model with a ceiling, and what is changed of it.
fn chat(change: impl FnOnce(&mut Profile)) -> Profile {
    let mut profile = candidate("harness = \"chat\"\nmodel = \"v/m\"\nendpoint = \"local\"\ntools = []");
    profile.budget.rounds = None;
    profile.model.max_output_tokens = Some(1_000);
    let price = Price { input: 3.0, output: 10.0, cache_read: None, cache_write: None };
    profile.prices.insert("v/m".to_owned(), price);
    change(&mut profile);
    profile
}

#[test]
fn a_bound_needs_a_price_a_ceiling_of_output_and_one_turn() {
    type Change = fn(&mut Profile);
    let whole = most(&chat(|_| {}), 3_000_000, 100).unwrap();
    assert!((whole - 4.0).abs() < 1e-9, "a million tokens in, a hundred thousand out: {whole}");
    let rows: [(Change, &str); 6] = [
        (|profile| profile.model.max_output_tokens = None, "no `model.max_output_tokens`"),
        (|profile| profile.prices.clear(), "no price of v/m"),
        (|profile| profile.agent.tools = None, "tools"),
        (|profile| profile.budget.rounds = Some(2), "rounds"),
        (|profile| profile.agent.harness = "claude".to_owned(), "nothing bounds what claude"),
        (|profile| profile.prompt.images = vec!["a.png".into()], "images"),
    ];
    for (change, why) in rows {
        let refused = most(&chat(change), 3_000_000, 100).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}
