//! Answers that were cut at the output limit: they are scored as they are, and whoever reads the figures is told.

use crate::event::Sheet;

/// What is to be said of them; nothing where there is none.
pub(super) fn remark(sheet: &Sheet) -> Option<String> {
    let arms = sheet.arms();
    if arms.iter().all(|arm| arm.cut == 0) {
        return None;
    }
    let names = sheet.plan()?.arms.iter().map(|arm| &arm.name);
    let each: Vec<String> =
        names.zip(arms).map(|(name, arm)| format!("{name} {} of {}", arm.cut, arm.answered)).collect();
    // a/b = c/d, without dividing.
    let same = arms.windows(2).all(|pair| pair[0].cut * pair[1].answered == pair[1].cut * pair[0].answered);
    let shares = if same { "" } else { " The shares differ, so the limit may be part of what was measured." };
    Some(format!(
        "Answers that were cut at the output limit are scored as they are: {}.{shares} A larger `model.max_output_tokens` \
         cuts fewer.",
        each.join(", ")
    ))
}
