//! `cloister disclose`: grants for compliance officers, packages for auditors.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use cloister_disclosure::Package;
use cloister_types::{Clock, SystemClock};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::commands::service_url;
use crate::error::CliError;
use crate::http::Api;
use crate::terminal;

/// The longest file with terms that is read, in bytes.
const MAX_TERMS_BYTES: u64 = 256 * 1024;
const DAY_S: u64 = 24 * 60 * 60;

/// What `cloister disclose grant --help` says at the end.
const GRANT_HELP: &str = "Example:\n  cloister disclose grant --case 'BaFin 2026/114' \
    --legal-basis 'KWG § 44' --auditor dave \\\n      --account 0xACCOUNT --token 0xTOKEN --days 30";
/// What `cloister disclose get --help` says at the end.
const GET_HELP: &str = "Examples:\n  cloister disclose get --grant ID --account 0xACCOUNT --out account.json\n  \
    cloister disclose get --grant ID --token 0xTOKEN --holder 0xACCOUNT --batch 7 --out balance.json\n  \
    cloister disclose get --grant ID --transaction 0xHASH --withhold input --out transaction.json\n\n\
    Then check it: cloister verify balance.json --l1-rpc URL --rollup 0xROLLUP --issuer-key KEY.pem";

/// `cloister disclose …`
#[derive(Debug, Subcommand)]
pub(crate) enum DiscloseCommand {
    /// Give an auditor a right to packages (compliance)
    #[command(after_help = GRANT_HELP)]
    Grant(Box<GrantArguments>),
    /// List grants: all of them for compliance, your own for an auditor
    Grants {
        /// Print the service's JSON
        #[arg(long)]
        json: bool,
    },
    /// End a grant at once (compliance)
    Revoke {
        /// The grant's id
        grant: String,
    },
    /// Take a package under a grant (auditor)
    #[command(after_help = GET_HELP)]
    Get(Box<GetArguments>),
    /// Print the institution's public signing key; compare its thumbprint by another way
    IssuerKey {
        /// Write the PEM to this file
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

/// The terms of a grant.
#[derive(Debug, Args)]
pub(crate) struct GrantArguments {
    /// Reference of the case
    #[arg(long = "case", value_name = "TEXT", required_unless_present = "terms")]
    case_reference: Option<String>,
    /// Why the disclosure is lawful
    #[arg(long, value_name = "TEXT", required_unless_present = "terms")]
    legal_basis: Option<String>,
    /// The auditor, as the identity provider names them (`sub`)
    #[arg(long, value_name = "SUBJECT", required_unless_present = "terms")]
    auditor: Option<String>,
    /// The auditor's identity provider, if it is another one than yours
    #[arg(long, value_name = "URL")]
    auditor_issuer: Option<String>,
    /// An account whose data may be shown; may be given several times
    #[arg(long = "account", value_name = "ADDRESS")]
    accounts: Vec<Address>,
    /// A token (`OpenZeppelin` layout) whose balances may be shown; may be given several times
    #[arg(long = "token", value_name = "ADDRESS")]
    tokens: Vec<Address>,
    /// A storage slot that may be shown, as CONTRACT:SLOT; may be given several times
    #[arg(long = "slot", value_name = "CONTRACT:SLOT", value_parser = parse_slot)]
    slots: Vec<(Address, B256)>,
    /// Only these transactions, not all of the accounts; may be given several times
    #[arg(long = "transaction", value_name = "HASH")]
    transactions: Vec<B256>,
    /// Kinds of package [default: all that the scope allows]
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<Kind>,
    /// First batch that may be shown
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    first_batch: u64,
    /// Last batch that may be shown
    #[arg(long, value_name = "NUMBER")]
    last_batch: Option<u64>,
    /// How long the grant lasts, in days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    days: u64,
    /// All of it as a JSON file instead, as the service's API takes it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["case_reference", "legal_basis", "auditor"])]
    terms: Option<PathBuf>,
}

/// A kind of package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Kind {
    AccountState,
    StorageSlot,
    TokenBalance,
    Transaction,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::AccountState => "account_state",
            Self::StorageSlot => "storage_slot",
            Self::TokenBalance => "token_balance",
            Self::Transaction => "transaction",
        }
    }
}

/// A field of a transaction that can be withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FieldName {
    Sender,
    Target,
    Value,
    Input,
    Outcome,
    Logs,
}

impl FieldName {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Target => "target",
            Self::Value => "value",
            Self::Input => "input",
            Self::Outcome => "outcome",
            Self::Logs => "logs",
        }
    }
}

/// Which package.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["account", "token", "contract", "transaction"])))]
pub(crate) struct GetArguments {
    /// The grant's id
    #[arg(long, value_name = "ID")]
    grant: String,
    /// The state of this account
    #[arg(long, value_name = "ADDRESS")]
    account: Option<Address>,
    /// A balance of this token, of --holder
    #[arg(long, value_name = "ADDRESS", requires = "holder")]
    token: Option<Address>,
    /// Whose token balance
    #[arg(long, value_name = "ADDRESS", requires = "token")]
    holder: Option<Address>,
    /// A storage slot of this contract, --slot
    #[arg(long, value_name = "ADDRESS", requires = "slot")]
    contract: Option<Address>,
    /// Which slot: 32 bytes
    #[arg(long, value_name = "SLOT", requires = "contract")]
    slot: Option<B256>,
    /// This transaction with its receipt
    #[arg(long, value_name = "HASH")]
    transaction: Option<B256>,
    /// Leave this field of the transaction out; may be given several times
    #[arg(long = "withhold", value_name = "FIELD", requires = "transaction")]
    withhold: Vec<FieldName>,
    /// At the end of this batch [default: the newest on Ethereum]
    #[arg(long, value_name = "NUMBER")]
    batch: Option<u64>,
    /// Also when the batch is not on Ethereum yet; it verifies once it is
    #[arg(long)]
    allow_uncommitted: bool,
    /// Where to write the package
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
}

fn parse_slot(text: &str) -> Result<(Address, B256), String> {
    let parsed = text
        .split_once(':')
        .and_then(|(contract, slot)| Some((contract.parse().ok()?, slot.parse().ok()?)));
    parsed.ok_or_else(|| "write it as CONTRACT:SLOT, 20 and 32 bytes in hexadecimal".to_owned())
}

/// Runs one of them.
///
/// # Errors
/// When the service refuses or a file cannot be used.
pub(crate) async fn run(api: &Api, command: DiscloseCommand) -> Result<(), CliError> {
    match command {
        DiscloseCommand::Grant(arguments) => grant(api, &arguments).await,
        DiscloseCommand::Grants { json } => grants(api, json).await,
        DiscloseCommand::Revoke { grant } => revoke(api, &grant).await,
        DiscloseCommand::Get(arguments) => get(api, &arguments).await,
        DiscloseCommand::IssuerKey { out } => issuer_key(api, out.as_deref()).await,
    }
}

async fn grant(api: &Api, arguments: &GrantArguments) -> Result<(), CliError> {
    let terms = match &arguments.terms {
        Some(path) => read_terms(path)?,
        None => terms(arguments, SystemClock.now().seconds())?,
    };
    let url = service_url(api.disclosure()?, "v1/grants")?;
    let grant = api.json(Method::POST, url, Some(&terms)).await?;
    terminal::line(&pretty(&grant));
    Ok(())
}

fn read_terms(path: &Path) -> Result<Value, CliError> {
    let failed = |source| CliError::File {
        path: path.to_path_buf(),
        source,
    };
    if std::fs::metadata(path).map_err(failed)?.len() > MAX_TERMS_BYTES {
        let path = path.display();
        return Err(CliError::Argument(format!(
            "`{path}` is longer than {MAX_TERMS_BYTES} bytes"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    serde_json::from_str(&text)
        .map_err(|error| CliError::Argument(format!("`{}` is no JSON: {error}", path.display())))
}

fn terms(arguments: &GrantArguments, now: u64) -> Result<Value, CliError> {
    let mut auditor = Map::from_iter([("subject".to_owned(), json!(arguments.auditor))]);
    if let Some(issuer) = &arguments.auditor_issuer {
        auditor.insert("issuer".to_owned(), json!(issuer));
    }
    let tokens: Vec<Value> = arguments
        .tokens
        .iter()
        .map(|token| json!({"contract": token}))
        .collect();
    let storage: Vec<Value> = arguments
        .slots
        .iter()
        .map(|(contract, slot)| json!({"contract": contract, "slots": [slot]}))
        .collect();
    let mut scope = json!({"accounts": arguments.accounts, "tokens": tokens, "storage": storage});
    if let (false, Some(scope)) = (arguments.transactions.is_empty(), scope.as_object_mut()) {
        scope.insert("transactions".to_owned(), json!(arguments.transactions));
    }
    let kinds: Vec<&str> = kinds(arguments).into_iter().map(Kind::as_str).collect();
    if kinds.is_empty() {
        return Err(CliError::Argument(
            "name what may be shown: --account, --token or --slot".to_owned(),
        ));
    }
    Ok(json!({
        "case_reference": arguments.case_reference,
        "legal_basis": arguments.legal_basis,
        "auditor": auditor,
        "scope": scope,
        "kinds": kinds,
        "first_batch": arguments.first_batch,
        "last_batch": arguments.last_batch,
        "expires_at": now.saturating_add(arguments.days.saturating_mul(DAY_S)),
    }))
}

/// The kinds asked for, or all that the scope has something for.
fn kinds(arguments: &GrantArguments) -> Vec<Kind> {
    if !arguments.kinds.is_empty() {
        return arguments.kinds.clone();
    }
    let accounts = !arguments.accounts.is_empty();
    [
        (Kind::AccountState, accounts),
        (Kind::TokenBalance, accounts && !arguments.tokens.is_empty()),
        (Kind::Transaction, accounts),
        (Kind::StorageSlot, !arguments.slots.is_empty()),
    ]
    .into_iter()
    .filter_map(|(kind, possible)| possible.then_some(kind))
    .collect()
}

async fn grants(api: &Api, as_json: bool) -> Result<(), CliError> {
    let url = service_url(api.disclosure()?, "v1/grants")?;
    let answer = api.json(Method::GET, url, None).await?;
    if as_json {
        terminal::line(&pretty(&answer));
        return Ok(());
    }
    let all = answer
        .get("grants")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    if all.is_empty() {
        terminal::note("there are no grants");
    }
    let text = |grant: &Value, at: &str| match grant.pointer(at) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    for grant in &all {
        terminal::line(&format!(
            "{}  {:8}  auditor {}  case {}  until {}",
            text(grant, "/id"),
            text(grant, "/state"),
            text(grant, "/auditor/subject"),
            text(grant, "/case_reference"),
            text(grant, "/expires_at"),
        ));
    }
    Ok(())
}

async fn revoke(api: &Api, grant: &str) -> Result<(), CliError> {
    if grant.is_empty() || !grant.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-') {
        return Err(CliError::Argument(format!(
            "`{grant}` is not the id of a grant"
        )));
    }
    let url = service_url(api.disclosure()?, &format!("v1/grants/{grant}"))?;
    api.json(Method::DELETE, url, None).await?;
    terminal::line(&format!("revoked {grant}"));
    Ok(())
}

fn order(arguments: &GetArguments) -> Result<Value, CliError> {
    let claim = match arguments {
        GetArguments {
            account: Some(address),
            ..
        } => {
            json!({"kind": "account_state", "address": address})
        }
        GetArguments {
            token: Some(token),
            holder: Some(holder),
            ..
        } => {
            json!({"kind": "token_balance", "token": token, "holder": holder})
        }
        GetArguments {
            contract: Some(contract),
            slot: Some(slot),
            ..
        } => {
            json!({"kind": "storage_slot", "contract": contract, "slot": slot})
        }
        GetArguments {
            transaction: Some(hash),
            withhold,
            ..
        } => {
            let withhold: Vec<&str> = withhold.iter().map(|field| field.as_str()).collect();
            json!({"kind": "transaction", "hash": hash, "withhold": withhold})
        }
        _ => {
            return Err(CliError::Argument(
                "say what the package is to show".to_owned(),
            ));
        }
    };
    Ok(json!({
        "grant": arguments.grant,
        "claim": claim,
        "batch": arguments.batch,
        "allow_uncommitted": arguments.allow_uncommitted,
    }))
}

async fn get(api: &Api, arguments: &GetArguments) -> Result<(), CliError> {
    let url = service_url(api.disclosure()?, "v1/packages")?;
    let name = url.to_string();
    let body = order(arguments)?.to_string().into_bytes();
    let (status, file) = api.send(Method::POST, url, Some(body)).await?;
    if status != 200 {
        let answer: Option<Value> = serde_json::from_slice(&file).ok();
        let said = answer
            .as_ref()
            .and_then(|answer| answer.get("message")?.as_str());
        let message = said.unwrap_or("no reason given").to_owned();
        return Err(CliError::Refused {
            url: name,
            status,
            message,
        });
    }
    let package = Package::open(&file).map_err(|error| CliError::BadAnswer {
        url: name,
        reason: error.to_string(),
    })?;
    write_new(&arguments.out, &file)?;
    let manifest = package.manifest();
    terminal::line(&arguments.out.display().to_string());
    terminal::note(&format!(
        "{} at batch {}, signed by {}; check it with `cloister verify`",
        manifest.claim.kind(),
        manifest.batch.number,
        package.signed_by()
    ));
    Ok(())
}

/// Writes a file that only its owner can read: packages hold the institution's secrets.
fn write_new(path: &Path, content: &[u8]) -> Result<(), CliError> {
    std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .map_err(|source| CliError::File {
            path: path.to_path_buf(),
            source,
        })
}

async fn issuer_key(api: &Api, out: Option<&Path>) -> Result<(), CliError> {
    let url = service_url(api.disclosure()?, "v1/issuer-key")?;
    let name = url.to_string();
    let answer = api.json(Method::GET, url, None).await?;
    let pem = answer.get("pem").and_then(Value::as_str);
    let pem = pem.ok_or_else(|| CliError::BadAnswer {
        url: name,
        reason: "it has no `pem`".to_owned(),
    })?;
    let thumbprint = cloister_disclosure::IssuerKey::from_pem(pem)?.thumbprint();
    match out {
        None => terminal::line(pem.trim_end()),
        Some(path) => {
            std::fs::write(path, pem).map_err(|source| CliError::File {
                path: path.to_path_buf(),
                source,
            })?;
            terminal::line(&path.display().to_string());
        }
    }
    terminal::note(&format!(
        "thumbprint {thumbprint}: compare it with what the institution has published elsewhere"
    ));
    Ok(())
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: DiscloseCommand,
    }

    fn parse(line: &str) -> Result<DiscloseCommand, clap::Error> {
        Line::try_parse_from(line.split(' ')).map(|line| line.command)
    }

    const ONE: &str = "0x0000000000000000000000000000000000000001";
    const TWO: &str = "0x0000000000000000000000000000000000000002";

    #[test]
    fn a_grant_names_all_kinds_that_its_scope_allows() {
        let line = format!(
            "x grant --case C --legal-basis L --auditor dave --account {ONE} --token {TWO}"
        );
        let DiscloseCommand::Grant(arguments) = parse(&line).unwrap() else {
            panic!("another command")
        };
        let terms = terms(&arguments, 1000).unwrap();
        assert_eq!(
            terms["kinds"],
            json!(["account_state", "token_balance", "transaction"])
        );
        assert_eq!(terms["scope"]["tokens"], json!([{"contract": TWO}]));
        assert_eq!(terms["scope"].get("transactions"), None);
        assert_eq!(terms["expires_at"], json!(1000 + 30 * DAY_S));
        assert_eq!(terms["auditor"], json!({"subject": "dave"}));
    }

    #[test]
    fn a_grant_without_a_scope_is_refused() {
        let DiscloseCommand::Grant(arguments) =
            parse("x grant --case C --legal-basis L --auditor dave").unwrap()
        else {
            panic!("another command")
        };
        assert!(
            terms(&arguments, 0)
                .unwrap_err()
                .to_string()
                .contains("--account")
        );
        assert!(parse("x grant --case C").is_err());
    }

    #[test]
    fn a_package_shows_exactly_one_thing() {
        assert!(parse("x get --grant g --out f").is_err());
        assert!(parse(&format!("x get --grant g --token {ONE} --out f")).is_err());
        assert!(
            parse(&format!(
                "x get --grant g --account {ONE} --transaction 0x --out f"
            ))
            .is_err()
        );
        let line = format!("x get --grant g --token {ONE} --holder {TWO} --batch 7 --out f");
        let DiscloseCommand::Get(arguments) = parse(&line).unwrap() else {
            panic!("another command")
        };
        assert_eq!(
            order(&arguments).unwrap(),
            json!({
                "grant": "g",
                "claim": {"kind": "token_balance", "token": ONE, "holder": TWO},
                "batch": 7,
                "allow_uncommitted": false,
            })
        );
    }
}
