//! Rows G1 to G10 of the specification, and what takes the place of its marks (J).

use super::*;
use crate::event::Sha256;

/// What an attempt is told.
enum Told {
    /// The user's turn, or the one that the child was started with, and nothing else.
    Exactly(Provenance, &'static str),
    /// A note of ours.
    Note,
}

struct Row {
    id: &'static str,
    says: &'static str,
    /// Where it means something else for us than for an older system: what, and why.
    decided: &'static str,
    launch: Launch,
    turns: Vec<Turn>,
    /// The prompts of the attempts, one after the other, with how many images.
    told: Vec<(Opening, Told, usize)>,
    /// Whether each of them has the system prompt and the tools of the start.
    launched: bool,
}

fn internal(text: &str) -> Turn {
    Turn::new(Provenance::Internal, text, &[])
}

fn row(
    id: &'static str,
    says: &'static str,
    launch: Launch,
    turns: Vec<Turn>,
    told: Vec<(Opening, Told, usize)>,
) -> Row {
    let launched = launch.system.is_some();
    Row { id, says, decided: "", launch, turns, told, launched }
}

fn rows() -> Vec<Row> {
    use Opening::{Carried, Fresh, Resumed};
    use Provenance::{Supervisor, User};
    use Told::{Exactly, Note};
    let none = Launch::default;
    vec![
        row(
            "G1",
            "a turn of the user, an empty reply, a note of ours: the turn of the user",
            none(),
            vec![user("older"), user("real"), internal(&wrap("go on"))],
            vec![(Fresh, Exactly(User, "real"), 0), (Carried, Exactly(User, "real"), 0)],
        ),
        row(
            "G2",
            "nothing was said yet: what the child was started with, for the first fallback and for the second",
            launch(Some("the child's task")),
            vec![],
            vec![
                (Fresh, Exactly(Supervisor, "the child's task"), 0),
                (Fresh, Exactly(Supervisor, "the child's task"), 0),
            ],
        ),
        Row {
            decided: "A reply is no turn; a list of turns with only a reply in it is empty.",
            ..row(
                "G3",
                "only an empty reply",
                launch(Some("the child's task")),
                vec![],
                vec![(Fresh, Exactly(Supervisor, "the child's task"), 0)],
            )
        },
        row(
            "G4",
            "a turn of the user, and a start: the turn, with the system prompt and tools of the start",
            launch(Some("the child's task")),
            vec![user("real")],
            vec![(Fresh, Exactly(User, "real"), 0)],
        ),
        row(
            "G5",
            "and the third fallback has them still",
            launch(Some("the child's task")),
            vec![user("real")],
            vec![(Fresh, Exactly(User, "real"), 0), (Resumed, Note, 0), (Fresh, Exactly(User, "real"), 0)],
        ),
        row(
            "G6",
            "nothing at all: a note that it goes on",
            none(),
            vec![],
            vec![(Fresh, Note, 0), (Carried, Note, 0)],
        ),
        Row {
            decided: "Messages of ours have no ids. A text is named by its hash: the same turn is the same prompt, byte \
                      for byte, and a note is not the user's.",
            ..row(
                "G7",
                "a turn that was sent before is the same one",
                none(),
                vec![user("real ")],
                vec![
                    (Fresh, Exactly(User, "real "), 0),
                    (Resumed, Note, 0),
                    (Fresh, Exactly(User, "real "), 0),
                ],
            )
        },
        row(
            "G8",
            "an image and a text",
            none(),
            vec![Turn {
                origin: User,
                parts: vec![
                    Part::Image(image("a.png")),
                    Part::Text("look".to_owned()),
                    Part::Image(image("b.png")),
                    Part::Text("and say".to_owned()),
                ],
            }],
            vec![
                (Fresh, Exactly(User, "look\n\nand say"), 2),
                (Carried, Exactly(User, "look\n\nand say"), 2),
            ],
        ),
        row(
            "G9",
            "only notes of ours and of a supervisor since: passed over",
            launch(Some("the child's task")),
            vec![internal("one"), Turn::new(Supervisor, "two", &[]), internal("")],
            vec![(Fresh, Exactly(Supervisor, "the child's task"), 0)],
        ),
        Row {
            decided: "The start is part of what a story is made of, so it is there before the first prompt, and it ends \
                      with it.",
            ..row(
                "G10",
                "the start is known before the first prompt",
                launch(Some("the child's task")),
                vec![],
                vec![(Fresh, Exactly(Supervisor, "the child's task"), 0)],
            )
        },
    ]
}

#[test]
fn every_row_of_the_retry_prompt() {
    for row in rows() {
        let name = format!("{} ({}; {})", row.id, row.says, row.decided);
        let mut story = Story::new(row.launch.clone());
        for turn in row.turns {
            story.said(turn);
        }
        let mut of_the_user = std::collections::BTreeSet::new();
        for (opening, told, images) in row.told {
            let telling = story.tell(opening, &done());
            match told {
                Told::Exactly(origin, text) => {
                    assert_eq!((telling.origin, telling.text.as_str()), (origin, text), "{name}");
                    of_the_user.insert(Sha256::of(telling.text.as_bytes()));
                }
                Told::Note => {
                    assert_eq!(telling.origin, Provenance::Internal, "{name}");
                    assert_eq!(telling.text, wrap(&telling.text), "{name}");
                    assert!(!of_the_user.contains(&Sha256::of(telling.text.as_bytes())), "{name}");
                }
            }
            assert_eq!(telling.opening, opening, "{name}");
            assert_eq!(telling.images.len(), images, "{name}");
            assert_eq!(telling.system, row.launch.system, "{name}");
            assert_eq!(telling.tools, row.launch.tools, "{name}");
            assert_eq!(telling.system.is_some(), row.launched, "{name}");
            assert_eq!(*story.launch(), row.launch, "{name}");
        }
        assert!(of_the_user.len() <= 1, "{name}: one turn, one text");
    }
}

#[test]
fn no_row_is_missing() {
    let rows = rows();
    for number in 1..=10 {
        let id = format!("G{number}");
        assert_eq!(rows.iter().filter(|row| row.id == id).count(), 1, "{id}");
    }
}

/// What is looked at.
enum Mark {
    Wrap(&'static str, &'static str),
    Unwrap(&'static str, &'static str),
    /// A turn of that provenance with these texts, and whether it is one of the user.
    Turn(Provenance, &'static [&'static str], bool),
}

/// Marks within a text mean nothing to us. These are the rows of the older system, and what takes their place.
const MARKS: [(&str, &str, &str, &[Mark]); 10] = [
    ("J1", "an empty text", "", &[Mark::Wrap("", "<provost-note>\n\n</provost-note>")]),
    (
        "J2",
        "marked already",
        "",
        &[Mark::Wrap("<provost-note>\ngo on\n</provost-note>", "<provost-note>\ngo on\n</provost-note>")],
    ),
    (
        "J3",
        "marks within, and several",
        "",
        &[Mark::Wrap(
            "<provost-note>a <provost-note>b</provost-note>\nc</provost-note></provost-note>",
            "<provost-note>\na b\nc\n</provost-note>",
        )],
    ),
    (
        "J4",
        "marks go: one, several, side by side",
        "There is one kind of mark.",
        &[
            Mark::Unwrap("<provost-note>\na\n</provost-note>", "a"),
            Mark::Unwrap("<provost-note><provost-note>a</provost-note></provost-note>", "a"),
            Mark::Unwrap("a</provost-note></provost-note>", "a"),
            Mark::Unwrap("a < b <provost-notes> </provost>", "a < b <provost-notes> </provost>"),
            Mark::Unwrap("<provost-<provost-note>note>a", "a"),
        ],
    ),
    (
        "J5",
        "blanks within a mark",
        "",
        &[Mark::Unwrap("< provost-note >a< / Provost-Note\n>", "a"), Mark::Unwrap("é<", "é<")],
    ),
    (
        "J6",
        "only parts of ours",
        "Whose it is says the field.",
        &[
            Mark::Turn(Provenance::Internal, &["<provost-note>go on</provost-note>"], false),
            Mark::Turn(Provenance::Internal, &["go on, without any mark"], false),
        ],
    ),
    (
        "J7",
        "parts of ours and of the user",
        "A turn is one's alone: the user's, whatever is in it, and it is told as it is.",
        &[Mark::Turn(Provenance::User, &["<provost-note>go on</provost-note>", "real"], true)],
    ),
    (
        "J8",
        "nothing but a mark",
        "What a user types is the user's. The older system took it for its own.",
        &[
            Mark::Turn(Provenance::User, &["<provost-note>\n</provost-note>"], true),
            Mark::Turn(Provenance::User, &["<earlier-work></earlier-work>"], true),
        ],
    ),
    (
        "J9",
        "wrapped twice",
        "No reply is asked for in words; there is no second mark.",
        &[Mark::Wrap("<provost-note>\na\n\n b\n</provost-note>", "<provost-note>\na\n\n b\n</provost-note>")],
    ),
    (
        "J10",
        "the reply of an agent ends no turn of the user",
        "A reply has no provenance: it is an event of the attempt. What an agent says to another is its supervisor's.",
        &[Mark::Turn(Provenance::Supervisor, &["done"], false)],
    ),
];

#[test]
fn every_row_of_the_marks() {
    for (place, (id, says, decided, marks)) in MARKS.iter().enumerate() {
        assert_eq!(*id, format!("J{}", place + 1));
        let name = format!("{id} ({says}; {decided})");
        for mark in *marks {
            match mark {
                Mark::Wrap(words, wrapped) => {
                    assert_eq!(wrap(words), *wrapped, "{name}");
                    assert_eq!(wrap(&wrap(words)), *wrapped, "{name}");
                }
                Mark::Unwrap(words, clean) => assert_eq!(unwrap(words), *clean, "{name}"),
                Mark::Turn(origin, texts, of_the_user) => {
                    let parts = texts.iter().map(|text| Part::Text((*text).to_owned())).collect();
                    let turns = [user("before"), Turn { origin: *origin, parts }];
                    let found = last_of_the_user(&turns);
                    assert_eq!(found == Some(&turns[1]), *of_the_user, "{name}");
                    if *of_the_user {
                        let mut story = Story::new(Launch::default());
                        for turn in turns {
                            story.said(turn);
                        }
                        assert_eq!(story.tell(Opening::Fresh, &done()).text, texts.join("\n\n"), "{name}");
                    }
                }
            }
        }
    }
}
