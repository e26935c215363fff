//! What a tool returned, as the text that the model reads.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

/// The text of a result. Pictures, sounds and files are named with their size, not shown.
///
/// # Errors
///
/// The same text, where the server says that it is an error.
pub(super) fn text(result: CallToolResult) -> Result<String, String> {
    let failed = result.is_error == Some(true);
    let mut parts: Vec<String> = result.content.into_iter().map(part).collect();
    parts.retain(|part| !part.is_empty());
    // A server repeats structured content as text for those who read only that; one that does not is read as well.
    if parts.is_empty()
        && let Some(structured) = result.structured_content
    {
        parts.push(structured.to_string());
    }
    let text = if parts.is_empty() { "[no output]".to_owned() } else { parts.join("\n") };
    if failed { Err(text) } else { Ok(text) }
}

fn part(content: ContentBlock) -> String {
    match content {
        ContentBlock::Text(text) => text.text,
        ContentBlock::Image(image) => sized("image", &image.mime_type, &image.data),
        ContentBlock::Audio(audio) => sized("audio", &audio.mime_type, &audio.data),
        ContentBlock::Resource(embedded) => match embedded.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => format!("[resource {uri}]\n{text}"),
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                let kind = mime_type.as_deref().unwrap_or("of unknown type");
                sized(&format!("resource {uri}"), kind, &blob)
            }
            _ => "[a resource of an unknown kind]".to_owned(),
        },
        ContentBlock::ResourceLink(link) => {
            let kind = link.mime_type.map_or_else(String::new, |kind| format!(", {kind}"));
            format!("[link to {}: {}{kind}]", link.name, link.uri)
        }
        _ => "[content of an unknown kind]".to_owned(),
    }
}

/// `data` is base64.
fn sized(what: &str, kind: &str, data: &str) -> String {
    let letters = data.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').count();
    format!("[{what} {kind}, {} bytes]", letters * 3 / 4)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(result: Value) -> Result<String, String> {
        text(serde_json::from_value(result).unwrap())
    }

    #[test]
    fn a_result_is_read_as_text() {
        let text = |text: &str| json!({"type": "text", "text": text});
        let resource = |resource: Value| json!({"type": "resource", "resource": resource});
        let link =
            json!({"type": "resource_link", "uri": "file:///a", "name": "a", "mimeType": "text/plain"});
        for (content, expected) in [
            (json!([text("a"), text("b")]), "a\nb"),
            (json!([]), "[no output]"),
            (json!([text("")]), "[no output]"),
            (
                json!([text("see"), {"type": "image", "data": "AAECAw==", "mimeType": "image/png"}]),
                "see\n[image image/png, 4 bytes]",
            ),
            (
                json!([{"type": "audio", "data": "AAEC", "mimeType": "audio/wav"}]),
                "[audio audio/wav, 3 bytes]",
            ),
            (json!([resource(json!({"uri": "x://1", "text": "inside"}))]), "[resource x://1]\ninside"),
            (
                json!([resource(json!({"uri": "x://2", "blob": "AA==", "mimeType": "application/gzip"}))]),
                "[resource x://2 application/gzip, 1 bytes]",
            ),
            (json!([link]), "[link to a: file:///a, text/plain]"),
        ] {
            assert_eq!(read(json!({"content": content})).as_deref(), Ok(expected));
            assert_eq!(read(json!({"content": content, "isError": true})).unwrap_err(), expected);
            assert_eq!(read(json!({"content": content, "isError": false})).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn structured_content_counts_where_there_is_no_text() {
        let structured = json!({"degrees": 3});
        assert_eq!(read(json!({"content": [], "structuredContent": structured})).unwrap(), "{\"degrees\":3}");
        let both = json!({"content": [{"type": "text", "text": "3"}], "structuredContent": structured});
        assert_eq!(read(both).unwrap(), "3");
    }
}
