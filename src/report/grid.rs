//! What is shown of a run of many cells: while it goes on, at its end, and of several such runs side by side.
//!
//! All of it is made from the journal's events and their one fold, the [`Sheet`](crate::event::Sheet), so that terminal,
//! pull request, test report, page and table of cells cannot disagree.

mod account;
mod bar;
mod columns;
mod compare;
mod csv;
mod figure;
mod foresight;
mod github;
mod glance;
mod html;
mod junit;
mod markdown;
mod narrate;
mod outcome;
mod pace;
mod schema;
mod table;
mod view;
mod words;

pub(in crate::report) use bar::CellsBar;
pub(in crate::report) use glance::{Glance, glance};
pub(in crate::report) use narrate::GridNarrator;

pub use compare::{GridRow, differences, grid_rows, rows_csv, rows_json, rows_markdown, rows_table};
pub use csv::csv;
pub use github::{annotations, append_summary};
pub use html::page;
pub use junit::{Junit, junit};
pub use markdown::markdown;
pub use schema::result_schema;
pub use table::table;
pub use view::{GridView, Standing, Stands};
pub use words::{missing as missing_words, words};

#[cfg(test)]
mod tests;
