//! Windows against the clock on the wall, in places that set theirs, and whose turn it is.

use proptest::prelude::*;

use super::*;
use crate::profile::element::Zone;

fn schedule(zone: &str, run: &[&str], pause: &[&str]) -> Schedule {
    let windows = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Schedule { timezone: Some(Zone::named(zone).unwrap()), run: windows(run), pause: windows(pause) }
}

fn calendar(zone: &str, run: &[&str], pause: &[&str]) -> Calendar {
    Calendar::new(&schedule(zone, run, pause))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_round_may_begin_in_a_window_and_in_no_pause() {
    // 2026-11-23 is a Monday; Berlin is an hour ahead of UTC.
    let calendar = calendar("Europe/Berlin", &["Mon..Fri 09:00-17:30", "Sat 10:00-12:00"], &["12:00-13:00"]);
    for (time, runnable) in [
        ("2026-11-23T07:59:59Z", false),
        ("2026-11-23T08:00:00Z", true),
        ("2026-11-23T10:59:59.999Z", true),
        ("2026-11-23T11:00:00Z", false),
        ("2026-11-23T12:00:00Z", true),
        ("2026-11-23T16:29:59Z", true),
        ("2026-11-23T16:30:00Z", false),
        ("2026-11-28T09:00:00Z", true),
        ("2026-11-29T09:00:00Z", false),
    ] {
        assert_eq!(calendar.runnable(at(time)), runnable, "{time}");
        assert_eq!(calendar.why_not(at(time)).is_none(), runnable, "{time}");
        assert_eq!(calendar.active_window(at(time)).is_some(), runnable, "{time}");
    }
    assert_eq!(calendar.next_change(at("2026-11-23T07:00:00Z")), Some(at("2026-11-23T08:00:00Z")));
    assert_eq!(calendar.next_change(at("2026-11-23T08:00:01Z")), Some(at("2026-11-23T08:00:01Z")));
    assert_eq!(calendar.next_change(at("2026-11-23T11:15:00Z")), Some(at("2026-11-23T12:00:00Z")));
    assert_eq!(calendar.next_change(at("2026-11-28T11:00:00Z")), Some(at("2026-11-30T08:00:00Z")));
    assert_eq!(calendar.active_window(at("2026-11-28T10:59:00Z")).as_deref(), Some("Sat 10:00-12:00"));
    assert_eq!(calendar.why_not(at("2026-11-23T11:00:00Z")).as_deref(), Some("in the pause 12:00-13:00"));
    assert_eq!(
        calendar.why_not(at("2026-11-29T09:00:00Z")).as_deref(),
        Some("outside of Mon..Fri 09:00-17:30, Sat 10:00-12:00")
    );
}

#[test]
fn without_windows_there_is_no_waiting_but_in_a_pause() {
    let now = at("2026-11-23T11:30:00Z");
    let free = calendar("UTC", &[], &[]);
    assert_eq!((free.next_change(now), free.active_window(now), free.why_not(now)), (Some(now), None, None));
    let paused = calendar("UTC", &[], &["Mon 11:00-24:00"]);
    assert_eq!(paused.next_change(now), Some(at("2026-11-24T00:00:00Z")));
    assert_eq!(calendar("UTC", &[], &["00:00-24:00"]).next_change(now), None);
}

#[test]
fn a_schedule_without_a_zone_is_in_the_hosts() {
    let mut schedule = schedule("UTC", &["09:00-17:00"], &[]);
    schedule.timezone = None;
    let host = TimeZone::get("Asia/Tokyo").unwrap();
    let calendar = Calendar::within(&schedule, &host);
    assert!(calendar.runnable(at("2026-11-23T00:00:00Z")) && !calendar.runnable(at("2026-11-23T09:00:00Z")));
}

#[test]
fn the_tail_of_a_night_belongs_to_the_day_it_began_on() {
    let calendar = calendar("UTC", &["Fri 22:00-06:00"], &[]);
    assert!(calendar.runnable(at("2026-11-28T05:59:00Z")), "Saturday morning");
    assert!(!calendar.runnable(at("2026-11-27T05:59:00Z")), "Friday morning");
    assert_eq!(calendar.active_window(at("2026-11-28T01:00:00Z")).as_deref(), Some("Fri 22:00-06:00"));
    assert_eq!(calendar.next_change(at("2026-11-28T06:00:00Z")), Some(at("2026-12-04T22:00:00Z")));
    let pause = self::calendar("UTC", &[], &["Sun 22:00-06:00"]);
    assert_eq!(pause.next_change(at("2026-11-29T23:00:00Z")), Some(at("2026-11-30T06:00:00Z")));
}

#[test]
fn in_spring_a_window_opens_when_the_clock_jumps_into_it() {
    // In Berlin 02:00 to 03:00 is left out on 2026-03-29.
    let saturday = at("2026-03-28T12:00:00Z");
    let across = calendar("Europe/Berlin", &["Sun 02:30-04:00"], &[]);
    assert_eq!(across.next_change(saturday), Some(at("2026-03-29T01:00:00Z")));
    assert!(across.runnable(at("2026-03-29T01:59:59Z")) && !across.runnable(at("2026-03-29T02:00:00Z")));
    // A window that is left out whole is that of the Sunday after, if that is near enough.
    let inside = calendar("Europe/Berlin", &["Sun 02:15-02:45"], &[]);
    assert_eq!(inside.next_change(saturday), Some(at("2026-04-05T00:15:00Z")));
    assert_eq!(inside.next_change(at("2026-03-22T01:45:00Z")), None, "two weeks away");
    // A pause that would have ended in what is left out is over when the clock has jumped.
    let pause = calendar("Europe/Berlin", &[], &["01:00-02:30"]);
    assert_eq!(pause.next_change(at("2026-03-29T00:30:00Z")), Some(at("2026-03-29T01:00:00Z")));
}

#[test]
fn in_autumn_a_window_of_the_hour_that_comes_twice_comes_twice() {
    // In Berlin 02:00 to 03:00 comes twice on 2026-10-25.
    let calendar = calendar("Europe/Berlin", &["Sun 02:15-02:30"], &[]);
    assert_eq!(calendar.next_change(at("2026-10-24T12:00:00Z")), Some(at("2026-10-25T00:15:00Z")));
    assert!(!calendar.runnable(at("2026-10-25T00:30:00Z")));
    assert_eq!(calendar.next_change(at("2026-10-25T00:30:00Z")), Some(at("2026-10-25T01:15:00Z")));
    assert_eq!(calendar.next_change(at("2026-10-25T01:30:00Z")), Some(at("2026-11-01T01:15:00Z")));
    // A window that closes at the end of the hour opens again when the clock is set back into it.
    let before = self::calendar("Europe/Berlin", &["Sun 00:00-03:00"], &[]);
    assert!(before.runnable(at("2026-10-25T00:59:59Z")) && before.runnable(at("2026-10-25T01:59:59Z")));
    let after = self::calendar("Europe/Berlin", &["Sun 00:00-02:30"], &[]);
    assert_eq!(after.next_change(at("2026-10-25T00:45:00Z")), Some(at("2026-10-25T01:00:00Z")));
}

/// W19: nothing is remembered of the clock, so one that is set back or forth is asked again, and errs by nothing.
#[test]
fn a_clock_that_is_set_back_leaves_nothing_behind() {
    let calendar = calendar("UTC", &["Mon 09:00-17:00"], &[]);
    let opens = at("2026-11-23T09:00:00Z");
    let times =
        ["2026-11-23T08:00:00Z", "2026-11-23T09:30:00Z", "2026-11-23T08:30:00Z", "2026-11-18T00:00:00Z"];
    let answers: Vec<_> = times.iter().map(|time| calendar.next_change(at(time)).unwrap()).collect();
    assert_eq!(answers, [opens, at(times[1]), opens, opens]);
    // What no calendar reaches is no opening, and no panic.
    for edge in [Timestamp::MIN, Timestamp::MAX] {
        assert_eq!(self::calendar("Europe/Berlin", &[], &["00:00-24:00"]).next_change(edge), None);
    }
}

const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "Pacific/Apia",
];

/// A window as somebody would write it; short ones and those of one day are likelier than by chance.
fn window() -> impl Strategy<Value = String> {
    let days = prop_oneof![
        Just(String::new()),
        proptest::sample::select(vec!["Mon", "Wed", "Sat", "Sun", "Sat,Sun", "Mon..Fri", "Tue,Thu..Sun"])
            .prop_map(|days| format!("{days} ")),
    ];
    let length = prop_oneof![1_u16..120, 1_u16..1440];
    (days, 0_u16..1440, length).prop_map(|(days, start, length)| {
        let end = (start + length) % 1440;
        format!("{days}{:02}:{:02}-{:02}:{:02}", start / 60, start % 60, end / 60, end % 60)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_next_change_is_the_first_minute_that_is_runnable(
        zone in proptest::sample::select(ZONES.to_vec()),
        run in proptest::collection::vec(window(), 0..4),
        pause in proptest::collection::vec(window(), 0..3),
        // Around the days on which some of the zones set their clocks, and one leaves a day out.
        day in proptest::sample::select(vec![
            "2026-03-29T00:00:00Z", "2026-10-25T00:00:00Z", "2026-11-01T00:00:00Z", "2026-04-05T00:00:00Z",
            "2011-12-30T00:00:00Z", "2026-03-08T00:00:00Z", "2026-07-01T00:00:00Z",
        ]),
        minutes in -9 * 1440_i64..2880,
        second in 0_i64..60,
    ) {
        let borrowed = |texts: &[String]| texts.iter().map(|text| text.parse::<Window>().unwrap()).collect();
        let zone = Zone::named(zone).unwrap();
        let calendar = Calendar::new(&Schedule { timezone: Some(zone), run: borrowed(&run), pause: borrowed(&pause) });
        let now = at(day) + SignedDuration::from_secs(minutes * 60 + second);
        let found = calendar.next_change(now);
        let mut earlier = now;
        while earlier < found.unwrap_or(now + AHEAD) {
            prop_assert!(!calendar.runnable(earlier), "{earlier} comes before {found:?}");
            earlier += SignedDuration::from_secs(60 - earlier.as_second().rem_euclid(60));
        }
        if let Some(found) = found {
            prop_assert!(calendar.runnable(found) && found <= now + AHEAD);
        }
    }
}

fn names(names: &[&str]) -> Vec<PhaseName> {
    names.iter().map(|name| PhaseName::new(*name)).collect()
}

/// Phases that must not run, and for how many minutes.
fn shut(rows: &'static [(&'static str, Option<i64>)]) -> impl Fn(&PhaseName) -> Result<(), Why> {
    |phase| match rows.iter().find(|(name, _)| *name == phase.as_str()) {
        Some((name, minutes)) => Err(why(name, *minutes)),
        None => Ok(()),
    }
}

fn why(name: &str, minutes: Option<i64>) -> Why {
    let until = minutes.map(|minutes| Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes));
    Why { reason: format!("{name} is shut"), until }
}

#[test]
fn phases_take_turns_and_may_come_more_than_once() {
    let rotation = names(&["build", "build", "review"]);
    let turns: Vec<_> = (0..7)
        .map(|at| match choose(&rotation, at, PhasePolicy::Wait, shut(&[])).unwrap() {
            Choice::Run(phase) => phase.as_str().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(turns, ["build", "build", "review", "build", "build", "review", "build"]);
    assert_eq!(choose(&[], 3, PhasePolicy::Skip, shut(&[])), None);
}

#[test]
fn a_phase_that_must_not_run_is_waited_for_or_passed_over() {
    let rotation = names(&["a", "b", "c"]);
    let rows: &[_] = &[("b", Some(5)), ("c", None)];
    let chosen = |at, policy| choose(&rotation, at, policy, shut(rows)).unwrap();
    let waits = Choice::WaitFor { phase: PhaseName::new("b"), why: why("b", Some(5)) };
    assert_eq!(chosen(1, PhasePolicy::Wait), waits);
    assert_eq!(chosen(3, PhasePolicy::Wait), Choice::Run(PhaseName::new("a")));
    let skips = |skipped: &[&str], first: &str, minutes| Choice::Skip {
        chosen: PhaseName::new("a"),
        skipped: names(skipped),
        why: why(first, minutes),
    };
    assert_eq!(chosen(1, PhasePolicy::Skip), skips(&["b", "c"], "b", Some(5)));
    assert_eq!(chosen(5, PhasePolicy::Skip), skips(&["c"], "c", None));
}

#[test]
fn where_none_may_run_the_one_that_may_first_is_waited_for() {
    let rotation = names(&["a", "b", "b", "c"]);
    let soonest = |rows, at| choose(&rotation, at, PhasePolicy::Skip, shut(rows)).unwrap();
    let waits =
        |name: &str, minutes| Choice::WaitFor { phase: PhaseName::new(name), why: why(name, minutes) };
    assert_eq!(soonest(&[("a", None), ("b", Some(9)), ("c", Some(2))], 0), waits("c", Some(2)));
    assert_eq!(soonest(&[("a", Some(2)), ("b", Some(9)), ("c", Some(2))], 3), waits("c", Some(2)));
    assert_eq!(soonest(&[("a", None), ("b", None), ("c", None)], 1), waits("b", None));
}
