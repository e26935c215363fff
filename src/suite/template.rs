//! A template of a case: the task, a rubric, what is expected.

use super::case::Case;
use crate::profile::{Template, TemplateError};

impl Template {
    /// The text for a case. A field that is none is written `none`; messages are written each after its role.
    ///
    /// # Errors
    ///
    /// It names what the case does not have, or does what cannot be done.
    pub fn render(&self, case: &Case) -> Result<String, TemplateError> {
        self.of_fields(&case.fields, &[])
    }

    /// The same with further fields, which win over those of the case.
    ///
    /// # Errors
    ///
    /// As [`Self::render`].
    pub fn render_with(&self, case: &Case, extra: &[(&str, &str)]) -> Result<String, TemplateError> {
        self.of_fields(&case.fields, extra)
    }

    /// The text for a case, or `None` where all that it says is none: `{{ expected | default(none) }}` for a case without
    /// `expected`. A score whose template says so does not exist for that case, which is not missing.
    ///
    /// # Errors
    ///
    /// As [`Self::render`].
    pub fn optional(&self, case: &Case) -> Result<Option<String>, TemplateError> {
        self.optional_of_fields(&case.fields)
    }
}

#[cfg(test)]
mod tests;
