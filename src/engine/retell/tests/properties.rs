//! What holds of every prompt, whatever was said and done.

use proptest::prelude::*;

use super::*;

/// Pieces of our own marks.
const MARKS: [&str; 7] =
    ["<earlier-work>", "</earlier-work>", "<provost-note>", "</provost-note>", "<", "earlier-work>", "é "];

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "\\PC{0,20}",
        2 => proptest::collection::vec(proptest::sample::select(&MARKS[..]), 0..8).prop_map(|marks| marks.concat()),
        1 => ("[a-zé\n ]{1,9}", 500..2000_usize).prop_map(|(word, times)| word.repeat(times)),
    ]
}

fn done() -> impl Strategy<Value = Done> {
    let deed = (words(), words(), proptest::option::of(any::<bool>())).prop_map(|(name, about, ok)| Deed {
        name,
        about,
        ok,
    });
    (proptest::collection::vec(deed, 0..60), words(), words())
        .prop_map(|(tools, last_words, diff_stat)| Done { tools, last_words, diff_stat })
}

fn turn() -> impl Strategy<Value = Turn> {
    let origin =
        prop_oneof![Just(Provenance::User), Just(Provenance::Supervisor), Just(Provenance::Internal),];
    let part = prop_oneof![
        3 => words().prop_map(Part::Text),
        1 => "[a-z]{1,8}".prop_map(|name| Part::Image(image(&name))),
    ];
    (origin, proptest::collection::vec(part, 0..5)).prop_map(|(origin, parts)| Turn { origin, parts })
}

/// Words that are in nothing else.
const TASK: &str = "Zyxw-0192 vutsr.";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// I-4: one conversation sees the turn of the user once, and one that has it already not again.
    #[test]
    fn the_turn_is_told_once(before in proptest::collection::vec(turn(), 0..4), done in done(), head in words()) {
        let mut story = Story::new(Launch::default());
        for turn in before {
            story.said(turn);
        }
        let task = Turn { origin: Provenance::User, parts: vec![Part::Text(head), Part::Text(TASK.to_owned())] };
        story.said(task.clone());
        story.said(Turn::new(Provenance::Internal, wrap("go on"), &[]));
        for opening in [Opening::Fresh, Opening::Carried, Opening::Retold] {
            let told = story.tell(opening, &done);
            prop_assert_eq!(told.origin, Provenance::User);
            prop_assert_eq!(told.text.matches(TASK).count(), 1);
            prop_assert!(told.text.starts_with(&task.text()));
        }
        let resumed = story.tell(Opening::Resumed, &done);
        prop_assert_eq!(resumed.origin, Provenance::Internal);
        prop_assert_eq!(resumed.text.matches(TASK).count(), 0);
    }

    /// What is added to a turn is bounded, is one block at its end, and depends on nothing but what was done.
    #[test]
    fn what_is_added_is_one_bounded_block(turn in turn(), done in done()) {
        let mut story = Story::new(Launch { turn: Some(turn.clone()), ..Launch::default() });
        let text = story.tell(Opening::Retold, &done).text;
        let block = summary::block(&done);
        prop_assert!(block.len() <= MOST, "{} bytes", block.len());
        let lower = block.to_lowercase();
        prop_assert_eq!(lower.matches("<earlier-work>").count(), 1);
        prop_assert_eq!(lower.matches("</earlier-work>").count(), 1);
        prop_assert!(!block.contains("<provost-note>") && !block.contains("</provost-note>"));
        if turn.is_empty() {
            prop_assert_eq!(&text, &wrap(&block));
        } else {
            prop_assert_eq!(text.strip_prefix(turn.text().as_str()).unwrap(), format!("\n\n{block}"));
        }
        story.said(turn);
        let resumed = story.tell(Opening::Resumed, &done).text;
        prop_assert!(resumed.len() < 1024);
    }

    /// No image of a turn is ever lost, nor their order.
    #[test]
    fn no_image_is_lost(turn in turn(), done in done()) {
        let images: Vec<Image> = turn.parts.iter().filter_map(Part::image).cloned().collect();
        let story = Story::new(Launch { turn: Some(turn), ..Launch::default() });
        for opening in [Opening::Fresh, Opening::Carried, Opening::Retold] {
            prop_assert_eq!(&story.tell(opening, &done).images, &images);
        }
    }

    #[test]
    fn wrapping_twice_is_wrapping_once(words in words()) {
        prop_assert_eq!(wrap(&wrap(&words)), wrap(&words));
        prop_assert_eq!(wrap(&words).matches("<provost-note>").count(), 1);
        prop_assert_eq!(wrap(&words).matches("</provost-note>").count(), 1);
        prop_assert_eq!(unwrap(&unwrap(&words)), unwrap(&words));
    }
}
