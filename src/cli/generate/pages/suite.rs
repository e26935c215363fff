//! `provost-suite(5)`.

use super::{Page, keys, see_also};
use crate::profile;

/// The page.
pub(super) fn page() -> String {
    let schema = profile::suite_schema();
    let mut page = Page::new("provost-suite", 5, "what is measured, how it is scored, and what decides");
    page.heading("DESCRIPTION");
    page.text(
        "A suite is a TOML file that names cases, parts of them, repetitions, scores, treatments of the prompt and a gate. It \
         is resolved as a profile is: defaults, the files that it `extends`, the file itself, then each `--set`, of which \
         later ones win. `--set` speaks of the suite where its key begins with `cases`, `split`, `trials`, `score`, \
         `treatments` or `gate`, and wherever it begins with `suite.`, as in `suite.budget.usd=5.0`. A list such as \
         `[[score]]` is replaced as a whole. `provost schema suite` prints a JSON schema of this file for editors, and \
         `provost suite check` says all that is wrong with a suite and its cases, and what effect its gate can show. \
         `provost man suite.5` prints this page, and `provost man suite` the one of the verb.",
    );
    page.heading("CASES");
    page.text(
        "`cases.file` holds JSON, one object a line (`.jsonl`) or as a list (`.json`), a table (`.csv`, `.tsv`) whose first \
         line names the fields, or a YAML list (`.yaml`, `.yml`). A case has these fields, and any others that templates name:",
    );
    let fields = [
        (
            "input",
            "What the agent is asked: a text, or a list of messages, each with `role` and `content`. Every case has it.",
        ),
        (
            "id",
            "Its name, a text or a whole number; unique. Made from the content of the case where it is absent, so that such a case is another one after it was changed.",
        ),
        ("expected", "What scores compare with: any value."),
        ("tags", "Words that slices are made by: a list; in a table, divided by `;`."),
        ("group", "Cases of one group are counted as one unit, and never straddle two parts."),
        (
            "files",
            "What is copied into the fresh workspace: a list of paths, or of `{\"from\": …, \"to\": …}`, or an object of targets and their sources. Sources are relative to the file of the cases, targets stay within the workspace; in a table, divided by `;`.",
        ),
        ("check", "Its own check, with the keys of `[check]` of a profile, in whose place it stands."),
    ];
    for (name, about) in fields {
        page.item(name, "", about);
    }
    page.heading("TEMPLATES");
    page.text(
        "A template is text with `{{ name }}` for a field of the case, `{% if name is defined %}…{% endif %}` and \
         `{% for x in name %}…{% endfor %}` in the language of Jinja. A name that no field has is an error, unless the \
         template says what else: `{{ name | default(\"\") }}`. Messages are written each after its role; a single message \
         of the user is written as it is. One line end at the very end of a template is dropped.",
    );
    page.paragraph(
        "A template of a score that comes to `none` and nothing else, as `{{ expected | default(none) }}` does where a \
         case has no `expected`, says that the case does not have that score. That is not missing: such cases do not count \
         for it.",
    );
    page.heading("SPLIT");
    page.text(
        "The part of a case follows from the SHA-256 of its group, or of its id where it has none: the first 53 bits as a \
         number from 0 to 1, below `train`, then below `train + selection`, else `test`. Neither the order of the file nor \
         further cases move a case.",
    );
    page.heading("SCORES");
    page.text("A score is from 0 to 1. Each kind knows these of the `[score.options]`; others are refused.");
    for (kind, _, options) in profile::SCORE_OPTIONS {
        let options: Vec<String> = options.iter().map(|option| format!("`{option}`")).collect();
        let about = if options.is_empty() { "None.".to_owned() } else { format!("{}.", options.join(", ")) };
        page.item(kind, "", &about);
    }
    page.heading("KEYS");
    keys(&mut page, &schema, &schema, "", &mut Vec::new());
    see_also(&mut page, &["provost(1)", "provost-suite(1)", "provost-profile(5)", "provost-events(7)"]);
    page.0
}
