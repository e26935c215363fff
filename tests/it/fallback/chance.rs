//! What holds whatever the endpoints do: I-1, I-2, I-3, I-4, I-7 and I-10 over runs whose endpoints are drawn by chance.

use std::collections::BTreeMap;

use super::stage::{
    BUSY, DOWN, Does, INVALID, NO_MODEL, Played, REFUSED, ROW, Row, TOO_LONG, Wrong, always, each, play,
};

const RUNS: u64 = 32;
/// Seconds that a run may take, and that a busy machine may take longer.
const WALL: f64 = 6.0;
const SLACK: f64 = 5.0;
const RUNS_A_TOOL: Does = Does::Runs("echo x >> wall");
const DEEDS: [Does; 19] = [
    Does::Answers,
    Does::Answers,
    Does::Late(200),
    Does::Drips(3, 60),
    DOWN,
    DOWN,
    BUSY,
    REFUSED,
    NO_MODEL,
    INVALID,
    TOO_LONG,
    Does::Asks("0.2"),
    Does::Asks("3600"),
    Does::Spent("3600"),
    Does::Silent,
    Does::Stops,
    Does::Dies,
    Does::Cuts,
    Does::Errs(100),
];

/// A row of chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn deed(&mut self) -> Does {
        DEEDS[usize::try_from(self.below(DEEDS.len() as u64)).unwrap()]
    }

    /// Up to five deeds; a call of a tool is never the last, so that no endpoint calls for ever.
    fn deeds(&mut self) -> &'static [Does] {
        let length = self.below(5);
        let mut deeds: Vec<Does> =
            (0..length).map(|_| if self.below(4) == 0 { RUNS_A_TOOL } else { self.deed() }).collect();
        deeds.push(self.deed());
        deeds.leak()
    }
}

/// What a profile allows.
#[derive(Debug)]
struct Allowed {
    same_model: u64,
    max_fallbacks: u64,
}

fn row(seed: u64) -> (Row, Allowed) {
    let mut chance = Chance(seed);
    let endpoints: Vec<&'static [Does]> = (0..2 + chance.below(2)).map(|_| chance.deeds()).collect();
    let allowed = Allowed { same_model: chance.below(3), max_fallbacks: chance.below(3) };
    let sets: Vec<&'static str> = [
        format!("retry.same_model={}", allowed.same_model),
        format!("retry.max_fallbacks={}", allowed.max_fallbacks),
        "retry.wait=1s".to_owned(),
        "round.first_event=400ms".to_owned(),
        "round.stall=400ms".to_owned(),
        format!("budget.wall={WALL}s"),
    ]
    .into_iter()
    .map(|set| &*set.leak())
    .collect();
    let agent = "tools = [\"shell\"]";
    (Row { endpoints: endpoints.leak(), agent, sets: sets.leak(), ..ROW }, allowed)
}

fn bounded(played: &Played, allowed: &Allowed, wrong: &mut Wrong) {
    let (mut before, mut steps, mut compactions) = (None, 0, 0);
    let mut retries: BTreeMap<u64, u64> = BTreeMap::new();
    let starts = played.of("attempt.started");
    for started in &starts {
        let candidate = started["candidate"].as_u64().unwrap_or(0);
        match before {
            None => {}
            Some(last) if last == candidate && started["opening"] == "retold" => compactions += 1,
            Some(last) if last == candidate => *retries.entry(candidate).or_default() += 1,
            Some(last) => {
                wrong.unless(candidate > last, format!("I-7: from {last} to {candidate}"));
                steps += 1;
            }
        }
        before = Some(candidate);
    }
    wrong.unless(steps <= allowed.max_fallbacks, format!("I-4: {steps} steps along the chain"));
    wrong.unless(compactions <= 1, format!("I-4: {compactions} times told shorter"));
    let most = allowed.same_model * (1 + compactions);
    wrong.unless(retries.values().all(|retries| *retries <= most), format!("I-4: retries {retries:?}"));
    let calls = played.of("turn.ended").iter().filter(|turn| turn["tool_calls"].as_u64().is_some()).count();
    let requests: usize = played.requests.iter().map(Vec::len).sum();
    wrong.unless(requests <= starts.len() + calls, format!("I-4: {requests} requests"));
    let switched = played.of("fallback.switched").len() as u64;
    wrong.unless(switched <= steps, format!("I-2: {switched} switches in {steps} steps"));
}

fn hold(seed: u64) -> Result<(), String> {
    let (row, allowed) = row(seed);
    let played = play(&row);
    let mut wrong = Wrong(Vec::new());
    always(&played.events, &played.requests, &mut wrong);
    bounded(&played, &allowed, &mut wrong);
    let ended = played.ended();
    wrong.same("the last event", &ended["kind"].as_str(), &Some("run.ended"));
    let outcome = ended["outcome"].as_str().unwrap_or_default();
    let known = ["settled", "agent_failed", "unavailable", "budget_exhausted"];
    wrong.unless(known.contains(&outcome), format!("I-3: it ended as {outcome:?}"));
    let took = played.took.as_secs_f64();
    wrong.unless(took < WALL + SLACK, format!("I-3: it took {took:.1} s"));
    let answered = played.of("attempt.finished").len();
    wrong.same("answers", &answered, &usize::from(outcome == "settled"));
    let last = played.of("attempt.failed").pop().filter(|_| outcome == "unavailable");
    if let Some(failed) =
        last.filter(|failed| failed["reset_at"].is_string() || failed["retry_after"].is_number())
    {
        let reset = ended["reset_at"].is_string() || failed["retry_after"].as_f64() < Some(1.0);
        wrong.unless(reset, "I-3: nobody is told when it is worth trying again");
    }
    // No call of a tool is made again, by whomever the turn goes on.
    let done = played.sandbox.read("wall").lines().count();
    wrong.same("what the tools did", &done, &played.of("tool.called").len());
    if wrong.0.is_empty() {
        return Ok(());
    }
    Err(format!(
        "seed {seed}: {:?} {allowed:?}\n- {}\n{}",
        row.endpoints,
        wrong.0.join("\n- "),
        played.story()
    ))
}

#[test]
fn every_run_of_chance_ends_within_its_bounds() {
    each(&(0..RUNS).collect::<Vec<_>>(), |seed| hold(*seed));
}
