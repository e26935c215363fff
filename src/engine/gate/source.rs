//! Who asks for a prompt, and whose prompts are meant.

/// Who asks: `user`, `retry`, `fallback:2`, `steer:7`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Source(String);

impl Source {
    /// The one whose turn it is. Its reservation is given back by itself and by nobody else.
    pub(crate) const USER: &'static str = "user";

    /// A source of that name.
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The user.
    pub(crate) fn user() -> Self {
        Self::new(Self::USER)
    }

    /// Its name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the user asks: `user` itself, or one of its kind (`user:2`).
    pub(crate) fn is_user(&self) -> bool {
        self.0.split(':').next() == Some(Self::USER)
    }
}

/// Sources that begin alike. The beginning ends in a colon, so that `fallback:` does not mean `fallbacks:1` too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Family(String);

impl Family {
    /// The family of that beginning; `None` for one that does not end in a colon, and for a bare colon.
    pub(crate) fn new(prefix: impl Into<String>) -> Option<Self> {
        let prefix = prefix.into();
        (prefix.len() > 1 && prefix.ends_with(':')).then_some(Self(prefix))
    }
}

/// Whose prompts are to be cancelled, or whose reservation is to be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// This source alone.
    Exactly(Source),
    /// A whole family; never the user.
    Family(Family),
    /// Any of these: the passing owners that a new prompt may take the place of. Never the user.
    AnyOf(Vec<Whose>),
}

impl Whose {
    /// Whether `source` is meant.
    pub(crate) fn means(&self, source: &Source) -> bool {
        match self {
            Self::Exactly(exact) => exact == source,
            Self::Family(Family(prefix)) => !source.is_user() && source.0.starts_with(prefix),
            Self::AnyOf(list) => !source.is_user() && list.iter().any(|whose| whose.means(source)),
        }
    }

    /// Whether it names one source: only that one knows for sure that its own prompt came to nothing.
    pub(super) fn is_exact(&self) -> bool {
        matches!(self, Self::Exactly(_))
    }
}
