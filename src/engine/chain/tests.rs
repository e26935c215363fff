//! Where a walk along the chain goes: the rows of the fallback rules that are about the chain alone, and what holds of
//! every chain.

use proptest::prelude::*;

use super::*;

const NOW: &str = "2026-11-21T10:00:00Z";

fn at(seconds: i64) -> Timestamp {
    let now: Timestamp = NOW.parse().unwrap();
    now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap()
}

/// `model@provider#account`, then `/window`, then how it stands: `?` doubtful, `~` cooling for 30 s, `!` for 19 h.
fn chain(entries: &str) -> Chain {
    let (mut links, mut standings) = (Vec::new(), Vec::new());
    for entry in entries.split_whitespace() {
        let (entry, standing) = match entry.chars().last() {
            Some('?') => (&entry[..entry.len() - 1], Standing::Doubtful),
            Some('~') => (&entry[..entry.len() - 1], Standing::Cooling(at(30))),
            Some('!') => (&entry[..entry.len() - 1], Standing::Cooling(at(19 * 3600))),
            _ => (entry, Standing::Free),
        };
        let (entry, window) = match entry.split_once("/=") {
            Some((entry, window)) => (entry, Some(window.parse().unwrap())),
            None => (entry, None),
        };
        let (model, place) = entry.split_once('@').unwrap();
        links.push(Link {
            model: Some(spelled(model)),
            account: Some(place.to_owned()),
            provider: place.split_once('#').map_or(place, |(provider, _)| provider).to_owned(),
            window,
        });
        standings.push(standing);
    }
    Chain { links, standings, patience: at(60) }
}

/// Where a turn begins.
struct Begins {
    id: &'static str,
    says: &'static str,
    chain: &'static str,
    from: usize,
    at: usize,
    decided: &'static str,
}

#[test]
fn each_row_begins_where_it_says() {
    let rows = [
        Begins {
            id: "B5",
            says: "the primary has failed: the next turn of the user goes out on the entry after it",
            chain: "x@p#1? a@q#1 b@r#1",
            from: 0,
            at: 1,
            decided: "for as long as the primary cools, and not for ever",
        },
        Begins {
            id: "B21",
            says: "restore on, the primary does not cool: the turn begins with it",
            chain: "x@p#1 a@q#1 b@r#1",
            from: 0,
            at: 0,
            decided: "",
        },
        Begins {
            id: "B22-off",
            says: "restore off: the turn begins where the one before ended",
            chain: "x@p#1 a@q#1 b@r#1",
            from: 1,
            at: 1,
            decided: "",
        },
        Begins {
            id: "B22-cooling",
            says: "restore on, and the primary still cools",
            chain: "x@p#1! a@q#1 b@r#1",
            from: 0,
            at: 1,
            decided: "",
        },
        Begins {
            id: "B25",
            says: "a quota that resets in 19 h: the primary is not begun with",
            chain: "x@p#1! a@q#1?",
            from: 0,
            at: 1,
            decided: "who has failed lately is still better than who must not be asked",
        },
        Begins {
            id: "B26",
            says: "all must not be asked: the turn begins with the first, whose refusal says when",
            chain: "x@p#1! a@q#1!",
            from: 0,
            at: 0,
            decided: "",
        },
        Begins {
            id: "B26-short",
            says: "of those that must not be asked, one that cools within our patience",
            chain: "x@p#1! a@q#1~",
            from: 0,
            at: 1,
            decided: "",
        },
        Begins {
            id: "B5-one",
            says: "an estimate is no obstacle where there is nobody else",
            chain: "x@p#1?",
            from: 0,
            at: 0,
            decided: "",
        },
        Begins {
            id: "I-7-begin",
            says: "a place that the chain has no more, after its profile was changed",
            chain: "x@p#1 a@q#1",
            from: 7,
            at: 1,
            decided: "",
        },
    ];
    for row in rows {
        assert_eq!(chain(row.chain).begin(row.from), row.at, "{}: {} {}", row.id, row.says, row.decided);
    }
}

/// Where a walk goes after a failure.
#[derive(Clone, Copy)]
struct Goes {
    id: &'static str,
    says: &'static str,
    chain: &'static str,
    current: usize,
    class: FaultClass,
    reach: Reach,
    to: Option<usize>,
    decided: &'static str,
}

const fn goes(
    id: &'static str,
    says: &'static str,
    chain: &'static str,
    from: (usize, FaultClass, Reach),
    to: Option<usize>,
) -> Goes {
    Goes { id, says, chain, current: from.0, class: from.1, reach: from.2, to, decided: "" }
}

const fn decided(goes: Goes, decided: &'static str) -> Goes {
    Goes { decided, ..goes }
}

#[test]
fn each_row_goes_where_it_says() {
    use FaultClass as C;
    use Reach::{Account, Model, Provider, Window};
    let three = "x@p#1 a@q#1 b@r#1";
    let rows = [
        goes("B5", "an error: the first entry", three, (0, C::ServerError, Provider), Some(1)),
        goes("B6", "the entry has no such model: the next", three, (1, C::ModelNotFound, Model), Some(2)),
        goes("B16", "an error of the pending entry advances", three, (1, C::Overloaded, Model), Some(2)),
        goes("B16-end", "behind the last there is nobody", three, (2, C::Overloaded, Model), None),
        goes(
            "B7",
            "an entry that is the failed primary again, and cools",
            "x@p#1! x@p#1! b@r#1",
            (0, C::QuotaExhausted, Account),
            Some(2),
        ),
        goes(
            "B7-doubtful",
            "one that failed lately is passed by for one that did not",
            "x@p#1 a@q#1? b@r#1",
            (0, C::ServerError, Provider),
            Some(2),
        ),
        goes(
            "B7-only",
            "and is taken where there is no other",
            "x@p#1 a@q#1?",
            (0, C::ServerError, Provider),
            Some(1),
        ),
        goes(
            "B8-model",
            "the same model, spelled with dashes at another provider, for a failure of the model",
            "claude-sonnet-4.5@anthropic#1 bedrock/Claude-Sonnet-4-5@aws#1 x@p#1",
            (0, C::Overloaded, Model),
            Some(2),
        ),
        decided(
            goes(
                "B8-account",
                "the same for a failure of the account",
                "claude-sonnet-4.5@anthropic#1 bedrock/claude-sonnet-4-5@aws#1 x@p#1",
                (0, C::QuotaExhausted, Account),
                Some(1),
            ),
            "it is exactly the right one; the older system skips it",
        ),
        goes(
            "B8-same-account",
            "another name for the model at the same account, whose quota is used up",
            "claude-sonnet-4.5@anthropic#1 claude-haiku-4-5@anthropic#1 x@p#1",
            (0, C::QuotaExhausted, Account),
            Some(2),
        ),
        goes(
            "B8-other-account",
            "the same model at another account of the provider",
            "m@anthropic#1 m@anthropic#2",
            (0, C::Auth, Account),
            Some(1),
        ),
        goes(
            "B8-limit",
            "a limit on requests, for which the same model at another account is right",
            "m@anthropic#1 m@anthropic#2 x@p#1",
            (0, C::RateLimited, Model),
            Some(1),
        ),
        decided(
            goes(
                "B8-tail",
                "a name with `-thinking` at its end",
                "claude-sonnet-4.5@anthropic#1 claude-sonnet-4-5-thinking@anthropic#1 x@p#1",
                (0, C::Overloaded, Model),
                Some(1),
            ),
            "another name is another model: effort is a setting here, and no part of a name",
        ),
        goes(
            "B27",
            "an entry that would fail alike, and nothing behind it",
            "m@p#1 m@p#1",
            (0, C::QuotaExhausted, Account),
            None,
        ),
        goes(
            "B27-model",
            "the same for a failure of the model",
            "m@p#1 q/M@q#1",
            (0, C::ModelNotFound, Model),
            None,
        ),
        goes(
            "B25",
            "an entry whose account must not be asked for 19 h",
            "x@p#1 a@q#1! b@r#1",
            (0, C::Overloaded, Model),
            Some(2),
        ),
        goes(
            "B26",
            "all behind it must not be asked",
            "x@p#1! a@q#1! b@r#1!",
            (0, C::QuotaExhausted, Account),
            None,
        ),
        goes(
            "B26-short",
            "one that cools within our patience may be waited for",
            "x@p#1! a@q#1! b@r#1~",
            (0, C::QuotaExhausted, Account),
            Some(2),
        ),
        goes(
            "provider",
            "another provider before another model at the one that failed",
            "x@p#1 y@p#1 z@q#1",
            (0, C::ServerError, Provider),
            Some(2),
        ),
        goes(
            "provider-doubtful",
            "even one that failed lately",
            "x@p#1 y@p#1 z@q#1?",
            (0, C::ServerError, Provider),
            Some(2),
        ),
        goes(
            "provider-only",
            "and another model there, where there is no other provider",
            "x@p#1 y@p#1",
            (0, C::ServerError, Provider),
            Some(1),
        ),
        goes(
            "window",
            "only a larger window, wherever it stands",
            "x@p#1/=8000 y@q#1/=8000 z@r#1 w@s#1/=32000",
            (0, C::ContextOverflow, Window),
            Some(3),
        ),
        goes(
            "window-none",
            "no larger window",
            "x@p#1/=8000 y@q#1/=4000 z@r#1",
            (0, C::ContextOverflow, Window),
            None,
        ),
    ];
    for row in &rows {
        let chain = chain(row.chain);
        let to = chain.next(row.current, row.class, row.reach);
        assert_eq!(to, row.to, "{}: {} {}", row.id, row.says, row.decided);
        assert_eq!(
            chain.ways(row.current, row.class).open(row.reach),
            row.to.is_some(),
            "{}: what is open is where it goes",
            row.id
        );
    }
}

#[test]
fn the_earliest_reset_is_that_of_who_must_not_be_asked() {
    let rows = [
        ("B26", "x@p#1! a@q#1~ b@r#1!", Some(at(30))),
        ("B26-estimates", "x@p#1? a@q#1!", Some(at(19 * 3600))),
        ("B26-none", "x@p#1? a@q#1", None),
    ];
    for (id, entries, earliest) in rows {
        assert_eq!(chain(entries).earliest(), earliest, "{id}");
    }
}

const REACHES: [Reach; 4] = [Reach::Model, Reach::Account, Reach::Provider, Reach::Window];

fn any_standing() -> impl Strategy<Value = Standing> {
    prop_oneof![
        Just(Standing::Free),
        Just(Standing::Doubtful),
        (0_i64..7200).prop_map(|seconds| Standing::Cooling(at(seconds))),
    ]
}

fn any_link() -> impl Strategy<Value = Link> {
    (proptest::option::of("[a-c]"), proptest::option::of("[12]"), "[pqr]", proptest::option::of(1_u64..4))
        .prop_map(|(model, account, provider, window)| {
            let account = account.map(|account| format!("{provider} {account}"));
            Link { model, account, provider, window }
        })
}

fn any_chain() -> impl Strategy<Value = Chain> {
    proptest::collection::vec((any_link(), any_standing()), 1..8).prop_map(|entries| {
        let (links, standings) = entries.into_iter().unzip();
        Chain { links, standings, patience: at(60) }
    })
}

proptest! {
    /// I-7: a walk goes forward only, to one who may be asked, and so it ends; a way is open exactly where it leads on.
    #[test]
    fn a_walk_only_goes_forward(
        chain in any_chain(),
        from in 0_usize..9,
        steps in proptest::collection::vec((0_usize..24, 0_usize..4), 0..20),
    ) {
        let mut current = chain.begin(from);
        prop_assert!(current < chain.links.len());
        prop_assert!(current >= from.min(chain.links.len() - 1), "it begins before where it was told to");
        let mut walked = vec![current];
        for (class, reach) in steps {
            let (class, reach) = (fault_class(class), REACHES[reach]);
            let next = chain.next(current, class, reach);
            prop_assert_eq!(chain.ways(current, class).open(reach), next.is_some());
            let Some(next) = next else { continue };
            prop_assert!(next > current);
            prop_assert!(chain.open(chain.standings[next]), "it must not be asked");
            prop_assert!(beyond(&chain.links[current], &chain.links[next], class, reach));
            current = next;
            walked.push(next);
        }
        prop_assert!(walked.len() <= chain.links.len());
    }

    /// Whoever nothing speaks against comes before who failed lately, and that one before who must not be asked.
    #[test]
    fn a_turn_begins_with_the_best_standing(chain in any_chain(), from in 0_usize..9) {
        let begun = chain.standings[chain.begin(from)];
        let rest = &chain.standings[from.min(chain.links.len() - 1)..];
        let worth = |standing: &Standing| match standing {
            Standing::Free => 0,
            Standing::Doubtful => 1,
            Standing::Cooling(until) if *until <= chain.patience => 2,
            Standing::Cooling(_) => 3,
        };
        prop_assert_eq!(Some(worth(&begun)), rest.iter().map(worth).min());
    }
}

fn fault_class(place: usize) -> FaultClass {
    crate::fault::CLASSES[place]
}
