//! Settings as they may be printed.

use serde::Serialize;
use serde_json::Value;
use url::Url;

/// The longest path segment of a URL that is printed; longer ones are most likely access keys of
/// an Ethereum provider.
const MAX_PLAIN_SEGMENT: usize = 19;

/// The settings as a JSON value that may be logged: secrets are only named by their files, so what
/// is left to hide are credentials inside URLs (user, password, query, fragment, long segments).
///
/// # Errors
/// When `settings` cannot be expressed as JSON.
pub fn redacted<T: Serialize>(settings: &T) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(settings)?;
    redact(&mut value);
    Ok(value)
}

fn redact(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(plain) = redact_url(text) {
                *text = plain;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(map) => map.values_mut().for_each(redact),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `None` when `text` is not a URL with a host.
fn redact_url(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?;
    let mut plain = format!("{}://", url.scheme());
    if !url.username().is_empty() || url.password().is_some() {
        plain.push_str("***@");
    }
    plain.push_str(host);
    if let Some(port) = url.port() {
        plain.push(':');
        plain.push_str(&port.to_string());
    }
    for segment in url.path_segments()? {
        plain.push('/');
        plain.push_str(if segment.len() > MAX_PLAIN_SEGMENT {
            "***"
        } else {
            segment
        });
    }
    if url.query().is_some() || url.fragment().is_some() {
        plain.push_str("?***");
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_credentials_in_urls_at_any_depth() {
        // Defends SPF-2.
        let settings = serde_json::json!({
            "l1": { "rpc_url": "https://user:pw@eth.example:8545/v3/0123456789abcdef0123?key=s" },
            "list": [{ "otlp": "http://collector:4317/" }],
            "name": "plain text: not a url",
            "path": "/etc/cloister/key.pem",
            "number": 7,
        });
        assert_eq!(
            redacted(&settings).unwrap(),
            serde_json::json!({
                "l1": { "rpc_url": "https://***@eth.example:8545/v3/***?***" },
                "list": [{ "otlp": "http://collector:4317/" }],
                "name": "plain text: not a url",
                "path": "/etc/cloister/key.pem",
                "number": 7,
            })
        );
    }
}
