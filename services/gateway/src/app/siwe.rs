//! Wallet messages (EIP-4361): written here for a challenge, read strictly when they come back
//! signed.
//!
//! A message must name our domain, our URL, our chain, and a nonce that was given to this principal;
//! it is valid for minutes, and its nonce once (SGW-8).

use std::str::FromStr as _;

use alloy_primitives::{Address, Signature};
use cloister_types::UnixMillis;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longest message that is read, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4_096;
/// What the person is told.
const STATEMENT: &str = "Link this wallet to my Cloister identity.";
const PREAMBLE: &str = " wants you to sign in with your Ethereum account:";
/// How far a wallet's clock may be ahead of ours, in seconds.
const SKEW_S: u64 = 60;

/// What a message must be bound to.
#[derive(Debug, Clone, Copy)]
pub struct Binding<'a> {
    /// Host and port of the public URL.
    pub domain: &'a str,
    /// The public URL, without a slash at its end.
    pub url: &'a str,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Oldest `Issued At` that is taken, in seconds before now.
    pub max_age_s: u64,
}

/// A message that was signed by the wallet that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The wallet.
    pub wallet: Address,
    /// The nonce.
    pub nonce: String,
}

/// Why a message is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiweError {
    /// Not an EIP-4361 message.
    #[error("the message is not an EIP-4361 message: {0}")]
    Malformed(&'static str),
    /// Written for another site.
    #[error("the message is for another domain: sign the one that this gateway gave")]
    Domain,
    /// Written for another URL.
    #[error("the message is for another URI: sign the one that this gateway gave")]
    Uri,
    /// Written for another chain.
    #[error("the message is for another chain: its `Chain ID` must be {expected}")]
    Chain {
        /// Ours.
        expected: u64,
    },
    /// Too old, not yet valid, or expired.
    #[error("the message is not valid now: ask for a new challenge")]
    Time,
    /// Signed by another key than the message names, or not at all.
    #[error("the signature is not one of the wallet that the message names")]
    Signature,
}

/// The message for a wallet to sign.
#[must_use]
pub fn write(
    binding: &Binding<'_>,
    wallet: Address,
    nonce: &str,
    now: UnixMillis,
    expires_at: UnixMillis,
) -> String {
    let Binding {
        domain,
        url,
        chain_id,
        ..
    } = binding;
    let (issued, expires) = (rfc3339(now), rfc3339(expires_at));
    format!(
        "{domain}{PREAMBLE}\n{wallet}\n\n{STATEMENT}\n\nURI: {url}\nVersion: 1\n\
         Chain ID: {chain_id}\nNonce: {nonce}\nIssued At: {issued}\nExpiration Time: {expires}"
    )
}

fn rfc3339(time: UnixMillis) -> String {
    let seconds = i64::try_from(time.seconds()).unwrap_or(0);
    let time = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    time.format(&Rfc3339).unwrap_or_default()
}

/// Reads a message, checks what it is bound to, and that its wallet signed exactly these bytes.
///
/// # Errors
/// [`SiweError`], the first that applies.
pub fn verify(
    message: &str,
    signature: &[u8],
    binding: &Binding<'_>,
    now: UnixMillis,
) -> Result<Signed, SiweError> {
    let parsed = parse(message)?;
    if parsed.domain != binding.domain {
        return Err(SiweError::Domain);
    }
    if parsed.uri.trim_end_matches('/') != binding.url {
        return Err(SiweError::Uri);
    }
    if parsed.chain_id != binding.chain_id {
        return Err(SiweError::Chain {
            expected: binding.chain_id,
        });
    }
    let now = i64::try_from(now.seconds()).unwrap_or(i64::MAX);
    let oldest = now.saturating_sub_unsigned(binding.max_age_s);
    let newest = now.saturating_add_unsigned(SKEW_S);
    let issued = parsed.issued_at >= oldest && parsed.issued_at <= newest;
    let begun = parsed.not_before.is_none_or(|time| time <= now);
    let open = parsed.expires_at.is_none_or(|time| time > now);
    if !(issued && begun && open) {
        return Err(SiweError::Time);
    }
    let signature = Signature::from_raw(signature).map_err(|_| SiweError::Signature)?;
    let signer = signature
        .recover_address_from_msg(message)
        .map_err(|_| SiweError::Signature)?;
    if signer != parsed.wallet {
        return Err(SiweError::Signature);
    }
    Ok(Signed {
        wallet: parsed.wallet,
        nonce: parsed.nonce.to_owned(),
    })
}

#[derive(Debug)]
struct Parsed<'a> {
    domain: &'a str,
    wallet: Address,
    uri: &'a str,
    chain_id: u64,
    nonce: &'a str,
    issued_at: i64,
    expires_at: Option<i64>,
    not_before: Option<i64>,
}

/// Reads the lines of a message in the order that EIP-4361 gives them.
fn parse(message: &str) -> Result<Parsed<'_>, SiweError> {
    let bad = SiweError::Malformed;
    if message.len() > MAX_MESSAGE_BYTES {
        return Err(bad("it is too long"));
    }
    let mut lines = message.split('\n').peekable();
    let first = lines.next().and_then(|line| line.strip_suffix(PREAMBLE));
    let domain = first
        .filter(|domain| !domain.contains("://"))
        .ok_or(bad("the first line"))?;
    let wallet = lines.next().ok_or(bad("the wallet"))?;
    // EIP-55 capitals are demanded by the standard; a wrong one is a mistyped address.
    let wallet = Address::parse_checksummed(wallet, None).map_err(|_| bad("the wallet"))?;
    blank(lines.next()).ok_or(bad("the line after the wallet"))?;
    // The statement is optional: then two blank lines follow each other.
    if lines.next_if_eq(&"").is_none() {
        lines.next().ok_or(bad("the statement"))?;
        blank(lines.next()).ok_or(bad("the line after the statement"))?;
    }
    let mut field = |name: &str| {
        lines
            .next_if(|line| line.starts_with(name))?
            .strip_prefix(name)
    };
    let uri = field("URI: ").ok_or(bad("`URI`"))?;
    field("Version: ")
        .filter(|version| *version == "1")
        .ok_or(bad("`Version`"))?;
    let chain_id = field("Chain ID: ").and_then(|id| u64::from_str(id).ok());
    let chain_id = chain_id.ok_or(bad("`Chain ID`"))?;
    let nonce = field("Nonce: ")
        .filter(|nonce| is_nonce(nonce))
        .ok_or(bad("`Nonce`"))?;
    let issued_at = field("Issued At: ")
        .and_then(timestamp)
        .ok_or(bad("`Issued At`"))?;
    let mut optional = |name: &str, what| match field(name) {
        None => Ok(None),
        Some(text) => timestamp(text).map(Some).ok_or(bad(what)),
    };
    let expires_at = optional("Expiration Time: ", "`Expiration Time`")?;
    let not_before = optional("Not Before: ", "`Not Before`")?;
    field("Request ID: ");
    if lines.next_if_eq(&"Resources:").is_some() {
        while lines.next_if(|line| line.starts_with("- ")).is_some() {}
    }
    match lines.next() {
        None => {}
        Some(_) => return Err(bad("there is more than the standard has")),
    }
    Ok(Parsed {
        domain,
        wallet,
        uri,
        chain_id,
        nonce,
        issued_at,
        expires_at,
        not_before,
    })
}

fn blank(line: Option<&str>) -> Option<()> {
    line.filter(|line| line.is_empty()).map(|_| ())
}

fn is_nonce(nonce: &str) -> bool {
    nonce.len() >= 8 && nonce.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn timestamp(text: &str) -> Option<i64> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()
        .map(OffsetDateTime::unix_timestamp)
}

#[cfg(test)]
mod tests {
    use alloy::signers::SignerSync as _;
    use alloy::signers::local::PrivateKeySigner;
    use alloy_primitives::B256;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
    const LATER: UnixMillis = UnixMillis(1_700_000_600_000);
    const NONCE: &str = "ABCDEFGH12345678";
    const OURS: Binding<'_> = Binding {
        domain: "gateway.bank.example:8443",
        url: "https://gateway.bank.example:8443",
        chain_id: 1_331,
        max_age_s: 600,
    };

    fn wallet() -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&B256::repeat_byte(9)).unwrap()
    }

    fn message() -> String {
        write(&OURS, wallet().address(), NONCE, NOW, LATER)
    }

    fn check(message: &str, now: UnixMillis) -> Result<Signed, SiweError> {
        let signature = wallet().sign_message_sync(message.as_bytes()).unwrap();
        verify(message, &signature.as_bytes(), &OURS, now)
    }

    #[test]
    fn what_is_written_is_read() {
        let signed = check(&message(), NOW).unwrap();
        assert_eq!(
            signed,
            Signed {
                wallet: wallet().address(),
                nonce: NONCE.to_owned()
            }
        );
    }

    #[test]
    fn reads_messages_as_wallet_libraries_write_them() {
        let without_statement = message().replace(&format!("\n{STATEMENT}\n\n"), "\n\n");
        assert!(check(&without_statement, NOW).is_ok());
        let with_extras = format!(
            "{}\nNot Before: 2023-11-14T22:13:20.000Z\nRequest ID: 7\nResources:\n- ipfs://x\n- https://y",
            message()
        );
        assert!(check(&with_extras, NOW).is_ok());
        let slash = message().replace(":8443\nVersion", ":8443/\nVersion");
        assert!(check(&slash, NOW).is_ok());
    }

    #[test]
    fn refuses_a_message_that_is_bound_to_something_else() {
        // SGW-8.
        let changed = |from: &str, to: &str| {
            assert!(message().contains(from), "{from}");
            check(&message().replacen(from, to, 1), NOW).unwrap_err()
        };
        assert_eq!(changed("gateway.bank", "evil.bank"), SiweError::Domain);
        assert_eq!(
            changed("URI: https://gateway", "URI: https://evil"),
            SiweError::Uri
        );
        assert_eq!(
            changed("Chain ID: 1331", "Chain ID: 1"),
            SiweError::Chain { expected: 1_331 }
        );
    }

    #[test]
    fn refuses_a_message_out_of_its_time() {
        assert_eq!(check(&message(), LATER), Err(SiweError::Time));
        let minute_early = UnixMillis(NOW.0 - 61_000);
        assert_eq!(check(&message(), minute_early), Err(SiweError::Time));
        let never_ends = message().split("\nExpiration").next().unwrap().to_owned();
        assert!(check(&never_ends, NOW).is_ok());
        assert_eq!(
            check(&never_ends, UnixMillis(NOW.0 + 601_000)),
            Err(SiweError::Time)
        );
    }

    #[test]
    fn refuses_a_signature_of_another_wallet_or_of_other_bytes() {
        let other = PrivateKeySigner::from_bytes(&B256::repeat_byte(8)).unwrap();
        let signature = other.sign_message_sync(message().as_bytes()).unwrap();
        let verdict = verify(&message(), &signature.as_bytes(), &OURS, NOW);
        assert_eq!(verdict, Err(SiweError::Signature));
        let signature = wallet().sign_message_sync(b"something else").unwrap();
        let verdict = verify(&message(), &signature.as_bytes(), &OURS, NOW);
        assert_eq!(verdict, Err(SiweError::Signature));
        assert_eq!(
            verify(&message(), &[0; 64], &OURS, NOW),
            Err(SiweError::Signature)
        );
        assert_eq!(
            verify(&message(), &[], &OURS, NOW),
            Err(SiweError::Signature)
        );
    }

    #[test]
    fn refuses_what_the_standard_does_not_have() {
        let lower = message().replace(
            &wallet().address().to_string(),
            &wallet().address().to_string().to_lowercase(),
        );
        for text in [
            String::new(),
            message().replace("Version: 1", "Version: 2"),
            message().replace(NONCE, "short"),
            message().replace(NONCE, "has-a-dash-12345"),
            format!("{}\nAnd more", message()),
            message().replace("Issued At: ", "Issued At: x"),
            lower,
            "x".repeat(MAX_MESSAGE_BYTES + 1),
        ] {
            let verdict = check(&text, NOW);
            assert!(
                matches!(verdict, Err(SiweError::Malformed(_))),
                "{text}: {verdict:?}"
            );
        }
    }
}
