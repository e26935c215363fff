//! What whoever reads the figures is told beside them.

use crate::event::Sheet;

/// All of it.
pub(super) fn remarks(sheet: &Sheet) -> impl Iterator<Item = String> {
    [others(sheet), super::cut::remark(sheet)].into_iter().flatten()
}

/// What else than the program of the plan has run cells; nothing where nothing has.
fn others(sheet: &Sheet) -> Option<String> {
    let others: Vec<&str> = sheet.binaries().collect();
    if others.is_empty() {
        return None;
    }
    Some(format!(
        "Cells were also run by another provost than the one that the plan was made with, as somebody has accepted: {}.",
        others.join(", ")
    ))
}
