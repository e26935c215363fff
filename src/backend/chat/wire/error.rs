//! An error of the provider, wherever in an answer it stands.

use serde_json::Value;

/// What a provider says of its failure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProviderError {
    /// A numeric code, where it can be read as an HTTP status.
    pub status: Option<u16>,
    /// The code as text.
    pub code: Option<String>,
    /// The type.
    pub kind: Option<String>,
    /// The message, or the whole object.
    pub text: String,
    /// Seconds until the limit resets, where the body says so.
    pub resets_in: Option<f64>,
    /// When the limit resets, seconds since 1970.
    pub resets_at: Option<i64>,
}

impl ProviderError {
    /// An error with nothing but words.
    pub(in super::super) fn said(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Finds an error in a body; `None` when it has none.
    pub(in super::super) fn find(value: &Value) -> Option<Self> {
        let value = value.as_array().and_then(|items| items.first()).unwrap_or(value);
        value.get("error").and_then(Self::read)
    }

    /// Reads the error object itself; `None` when it is null.
    pub(super) fn read(error: &Value) -> Option<Self> {
        if error.is_null() {
            return None;
        }
        // Routers wrap the error of the provider; the inner one says more.
        let text = match error {
            Value::String(text) => text.clone(),
            _ => error
                .pointer("/metadata/raw")
                .or_else(|| error.get("message"))
                .and_then(Value::as_str)
                .map_or_else(|| error.to_string(), str::to_owned),
        };
        // A code behind `details` is the finer one.
        let code = error.pointer("/details/error_code").or_else(|| error.get("code"));
        let code = code.filter(|code| !code.is_null());
        let status = code
            .and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()))
            .or_else(|| error.get("status")?.as_u64())
            .and_then(|status| u16::try_from(status).ok())
            .filter(|status| (100..600).contains(status));
        let code = code.map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
        let kind = error.get("type").and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            status,
            code,
            kind,
            text,
            resets_in: error.get("resets_in_seconds").and_then(Value::as_f64),
            resets_at: error.get("resets_at").and_then(Value::as_i64),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_are_found_in_every_shape() {
        let find = |value: Value| ProviderError::find(&value);
        assert_eq!(find(json!({"choices": []})), None);
        assert_eq!(find(json!({"error": null})), None);
        let error = find(json!({"error": {"code": 429, "message": "slow"}})).unwrap();
        assert_eq!((error.status, error.text.as_str()), (Some(429), "slow"));
        let error =
            find(json!([{"error": {"code": "insufficient_quota", "type": "t", "message": "m"}}])).unwrap();
        assert_eq!((error.status, error.code.as_deref()), (None, Some("insufficient_quota")));
        assert_eq!(error.kind.as_deref(), Some("t"));
        assert_eq!(find(json!({"error": "down"})).unwrap().text, "down");
        let error = find(json!({"type": "error", "error": {
            "type": "rate_limit_error", "message": "m", "details": {"error_code": "enforced_spend_limit_reached"},
        }}));
        assert_eq!(error.unwrap().code.as_deref(), Some("enforced_spend_limit_reached"));
    }
}
