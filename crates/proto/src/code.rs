//! Stable error codes beside gRPC's own status codes.
//!
//! gRPC's sixteen codes are too coarse to act upon: a caller must tell "nonce too low" from "gas
//! limit too low". The stable code travels in the metadata key `cloister-code`; the message is for
//! people and may change.

use tonic::Status;
use tonic::metadata::MetadataValue;

/// The metadata key.
pub const METADATA_KEY: &str = "cloister-code";

/// `status` with a stable code: lower-case ASCII words joined by `_`.
#[must_use]
pub fn with_code(mut status: Status, code: &'static str) -> Status {
    debug_assert!(is_code(code), "not a stable code: {code}");
    if let Ok(value) = MetadataValue::try_from(code) {
        status.metadata_mut().insert(METADATA_KEY, value);
    }
    status
}

/// The stable code of `status`, if it has a well-formed one.
#[must_use]
pub fn code_of(status: &Status) -> Option<&str> {
    status
        .metadata()
        .get(METADATA_KEY)?
        .to_str()
        .ok()
        .filter(|code| is_code(code))
}

/// Whether `text` has the form of a stable code.
fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_survives_the_way_through_headers() {
        let sent = with_code(Status::not_found("gone"), "transaction_unknown");
        let headers = sent.into_http::<()>().into_parts().0.headers;
        let received = Status::from_header_map(&headers).unwrap();
        assert_eq!(code_of(&received), Some("transaction_unknown"));
        assert_eq!(received.message(), "gone");
    }

    #[test]
    fn a_status_without_a_code_or_with_a_malformed_one_has_none() {
        assert_eq!(code_of(&Status::internal("x")), None);
        let mut odd = Status::internal("x");
        odd.metadata_mut()
            .insert(METADATA_KEY, MetadataValue::from_static("Not A Code"));
        assert_eq!(code_of(&odd), None);
    }
}
