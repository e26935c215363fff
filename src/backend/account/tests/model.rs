//! Several runs on one directory against a simple model of what they may do.

use proptest::prelude::*;

use super::*;

/// Something that a run does to a model of the account, or time that passes.
#[derive(Clone, Copy, Debug)]
enum Act {
    Ask,
    Taken,
    Succeeded,
    Left,
    /// Refused, so many seconds.
    Refused(u16),
    /// The model is refused.
    RefusedModel(u16),
    /// The provider says when to come back.
    Unavailable(u16),
    /// A failure that is no statement about the account.
    Broken,
    /// An answer about the request.
    Invalid,
}

fn acts() -> impl Strategy<Value = Vec<(Act, usize, usize, u32)>> {
    let act = prop_oneof![
        8 => Just(Act::Ask),
        5 => Just(Act::Taken),
        2 => Just(Act::Succeeded),
        1 => Just(Act::Left),
        2 => (1..40_u16).prop_map(Act::Refused),
        1 => (1..40_u16).prop_map(Act::RefusedModel),
        1 => (1..40_u16).prop_map(Act::Unavailable),
        1 => Just(Act::Broken),
        1 => Just(Act::Invalid),
    ];
    // Pauses of some milliseconds, some seconds, or longer than a probe and a proof last.
    let pause = prop_oneof![6 => 0..400_u32, 3 => 0..20_000_u32, 1 => 0..150_000_u32];
    prop::collection::vec((act, 0..3_usize, 0..2_usize, pause), 1..80)
}

/// What a deadline is about: the whole provider, the account, one of two models.
const TARGETS: usize = 4;

fn concerns(target: usize, model: usize) -> bool {
    target < 2 || target == 2 + model
}

fn is_about(cooling: &Cooling, target: usize) -> bool {
    match cooling.scope {
        FaultScope::Provider => target == 0,
        FaultScope::Account => target == 1,
        _ => cooling.model == Some(format!("m{}", target.saturating_sub(2))) && target >= 2,
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Door {
    Open,
    /// Until then, at least.
    Shut(i64),
    /// Somebody tries, since then; it was shut until the other time.
    Tried {
        by: usize,
        since: i64,
        until: i64,
    },
}

struct Model {
    now: i64,
    doors: [Door; TARGETS],
    /// Requests on their way: whose, and since when.
    going: Vec<(usize, i64)>,
    answers: u32,
    answered: i64,
    refused: Option<i64>,
}

impl Model {
    fn forget(&mut self) {
        let now = self.now;
        self.going.retain(|(_, since)| now - since < 1_000);
        if now - self.answered > 60_000 {
            self.answers = 0;
        }
        for door in &mut self.doors {
            match *door {
                Door::Shut(until) if now >= until + 600_000 => *door = Door::Open,
                Door::Tried { until, .. } if now >= until + 600_000 => *door = Door::Open,
                _ => {}
            }
        }
    }

    fn give_back(&mut self, who: usize) {
        if let Some(place) = self.going.iter().position(|(by, _)| *by == who) {
            self.going.remove(place);
        }
    }

    fn each(&mut self, model: usize, change: impl Fn(Door, i64) -> Door) {
        let now = self.now;
        for (target, door) in self.doors.iter_mut().enumerate() {
            if concerns(target, model) {
                *door = change(*door, now);
            }
        }
    }

    fn open(&mut self, who: usize, model: usize) {
        self.each(model, |door, now| match door {
            Door::Shut(until) if until <= now => Door::Open,
            Door::Tried { by, since, until } if until <= now && (by == who || now - since >= 60_000) => {
                Door::Open
            }
            other => other,
        });
        self.give_up(who, model);
    }

    fn give_up(&mut self, who: usize, model: usize) {
        self.each(model, |door, _| match door {
            Door::Tried { by, until, .. } if by == who => Door::Shut(until),
            other => other,
        });
    }

    fn shut(&mut self, target: usize, until: i64) -> i64 {
        let door = &mut self.doors[target];
        let later = match *door {
            Door::Open => until,
            Door::Shut(old) | Door::Tried { until: old, .. } => old.max(until),
        };
        *door = match *door {
            Door::Tried { by, since, .. } => Door::Tried { by, since, until: later },
            _ => Door::Shut(later),
        };
        later
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// I-8: the later deadline stands, one tries at a time, and no more are on their way than may be.
    #[test]
    fn runs_keep_to_the_model(acts in acts()) {
        let dir = TempDir::new().unwrap();
        let runs: Vec<Accounts> = ["a", "b", "c"].map(|name| run(dir.path(), name)).into();
        let parties = [party(&runs[0], "m0"), party(&runs[0], "m1")];
        let start = at(0.0).as_millisecond();
        let mut model = Model {
            now: start, doors: [Door::Open; TARGETS], going: vec![], answers: 0, answered: 0, refused: None,
        };
        for (act, who, which, pause) in acts {
            model.now += i64::from(pause);
            model.forget();
            let now = Timestamp::from_millisecond(model.now).unwrap();
            let (accounts, party) = (&runs[who], &parties[which]);
            let until = |seconds: u16| model.now + 1_000 * i64::from(seconds);
            match act {
                Act::Ask => {
                    let shut = model.doors.iter().enumerate().any(|(target, door)| {
                        concerns(target, which) && match door {
                            Door::Open => false,
                            Door::Shut(until) => *until > model.now,
                            // One that is silent for a minute is in nobody's way.
                            Door::Tried { since, until, .. } => *until > model.now || model.now - since < 60_000,
                        }
                    });
                    let window = 1 + model.answers / 8;
                    let full = model.going.len() >= window as usize;
                    let paced = model.refused.is_some_and(|at| model.now - at <= 600_000);
                    match accounts.ask(party, now) {
                        Admission::Go => {
                            prop_assert!(!shut, "{who} was let go: {:?}", model.doors);
                            prop_assert!(!full, "{} of {window} were on their way", model.going.len());
                            model.going.push((who, model.now));
                            model.each(which, |door, now| match door {
                                Door::Shut(until) | Door::Tried { until, .. } => {
                                    Door::Tried { by: who, since: now, until }
                                }
                                Door::Open => Door::Open,
                            });
                        }
                        Admission::Wait { until, firm, why } => {
                            prop_assert!(until > now);
                            prop_assert_eq!(firm, shut, "{}: {:?}", why, model.doors);
                            prop_assert!(shut || full || paced, "held up for nothing: {why}");
                        }
                    }
                }
                Act::Taken => {
                    accounts.taken(party, now);
                    model.give_back(who);
                    model.answers += 1;
                    model.answered = model.now;
                    model.open(who, which);
                }
                Act::Succeeded => {
                    accounts.succeeded(party, now);
                    model.open(who, which);
                }
                Act::Left => {
                    accounts.left(party, now);
                    model.give_back(who);
                    model.give_up(who, which);
                }
                Act::Refused(seconds) | Act::RefusedModel(seconds) | Act::Unavailable(seconds) => {
                    let (class, scope, target) = match act {
                        Act::Refused(_) => (FaultClass::RateLimited, FaultScope::Account, 1),
                        Act::RefusedModel(_) => (FaultClass::RateLimited, FaultScope::Model, 2 + which),
                        _ => (FaultClass::Overloaded, FaultScope::Provider, 0),
                    };
                    let until = until(seconds);
                    let stands = accounts.failed(party, &failure(class, scope, Some(seconds.into())), now).unwrap();
                    let later = model.shut(target, until);
                    prop_assert_eq!(stands.until.as_millisecond(), later, "{:?}", model.doors);
                    prop_assert!(stands.firm);
                    model.give_back(who);
                    model.give_up(who, which);
                    if class == FaultClass::RateLimited {
                        model.answers = 0;
                        model.refused = Some(model.now);
                    }
                }
                Act::Broken => {
                    accounts.failed(party, &failure(FaultClass::ServerError, FaultScope::Provider, None), now);
                    model.give_back(who);
                    // It begins again; how long is the ladder's affair.
                    let all = runs[0].inner.store.look(PROVIDER, model.now).list(model.now, &|_| false);
                    let moment = model.now;
                    for (target, door) in model.doors.iter_mut().enumerate() {
                        if let Door::Tried { by, until, .. } = *door
                            && by == who
                            && concerns(target, which)
                        {
                            let again = all.iter().find(|cooling| cooling.firm && is_about(cooling, target));
                            let again = again.map(|cooling| cooling.until.as_millisecond());
                            prop_assert!(again.is_some_and(|again| again >= until.max(moment + 1_000)));
                            *door = Door::Shut(again.unwrap_or_default());
                        }
                    }
                }
                Act::Invalid => {
                    let told = accounts.failed(party, &failure(FaultClass::RequestInvalid, FaultScope::Request, None), now);
                    prop_assert_eq!(told, None);
                    model.give_back(who);
                    model.open(who, which);
                }
            }
            // What one knows, all know.
            for party in &parties {
                let seen: Vec<_> = runs.iter().map(|run| run.standing(party, now)).collect();
                prop_assert!(seen.iter().all(|other| *other == seen[0]));
            }
        }
        prop_assert!(runs.iter().all(|run| run.trouble().is_none()));
    }
}
