//! The configuration files and keys of a stack.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use rand::RngCore as _;

use crate::client::Wallet;
use crate::postgres::Database;
use crate::service::ServiceName;
use crate::stack::{CHAIN_ID, Stack};
use crate::{anvil, oidc, pki, tools};

/// Wei (hexadecimal) that the genesis of the private chain gives to the key in `funded-key`.
const FUNDED_BALANCE: &str = "0xd3c21bcecceda1000000";

/// Writes the keys that need no other part: the state secret, the committer's key, the disclosure
/// service's signing key, and the genesis file.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write_keys(folder: &Path) -> anyhow::Result<()> {
    let mut secret = [0_u8; 32];
    rand::rng().fill_bytes(&mut secret);
    let hex = secret.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    pki::write_secret(&folder.join("state-secret"), &hex)?;
    pki::write_secret(&folder.join("committer-key"), anvil::FUNDED[1].1)?;
    let signing = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    pki::write_secret(
        &folder.join("disclosure-signing.key"),
        &signing.serialize_pem(),
    )?;
    std::fs::write(
        folder.join("disclosure-signing.pub.pem"),
        signing.public_key_pem(),
    )?;
    let funded = Wallet::random();
    pki::write_secret(&folder.join("funded-key"), &funded.key())?;
    let genesis = serde_json::json!({
        "timestamp": 1_790_000_000,
        "alloc": {funded.address().to_checksum(None): {"balance": FUNDED_BALANCE}},
    });
    std::fs::write(folder.join("genesis.json"), genesis.to_string())?;
    Ok(())
}

fn database(stack: &Stack, name: ServiceName) -> anyhow::Result<&Database> {
    let all = stack
        .databases
        .as_ref()
        .context("Postgres was not started")?;
    Ok(match name {
        ServiceName::Gateway => &all.gateway,
        ServiceName::Sequencer => &all.sequencer,
        ServiceName::Prover => &all.prover,
        ServiceName::Disclosure => &all.disclosure,
    })
}

/// The sections that all services have.
fn common(stack: &Stack, name: ServiceName, admin: u16) -> anyhow::Result<String> {
    let database = database(stack, name)?;
    let service = name.as_str();
    pki::write_secret(
        &stack.file(&format!("{service}-db-password")),
        &database.password,
    )?;
    Ok(format!(
        r#"[admin]
listen = "127.0.0.1:{admin}"

[database]
host = "{}"
port = {}
name = "{}"
user = "{}"
password_file = "{service}-db-password"

[telemetry]
log = "info"
format = "json"

"#,
        database.host, database.port, database.name, database.user
    ))
}

fn grpc_server(service: &str, port: u16) -> String {
    format!(
        r#"[grpc]
listen = "127.0.0.1:{port}"
certificate_file = "pki/{service}.pem"
private_key_file = "pki/{service}.key"
client_ca_file = "pki/ca.pem"

"#
    )
}

fn grpc_client(service: &str, target: &str, port: u16) -> String {
    format!(
        r#"[{target}]
url = "https://127.0.0.1:{port}"
server_name = "{target}"
ca_file = "pki/ca.pem"
certificate_file = "pki/{service}.pem"
private_key_file = "pki/{service}.key"

"#
    )
}

fn https(service: &str, port: u16, public_url: Option<&str>) -> String {
    let public = public_url.map_or_else(String::new, |url| format!("public_url = \"{url}\"\n"));
    format!(
        r#"[https]
listen = "127.0.0.1:{port}"
certificate_file = "pki/{service}-https.pem"
private_key_file = "pki/{service}-https.key"
{public}
"#
    )
}

fn oidc_section(stack: &Stack, browser: bool) -> anyhow::Result<String> {
    let issuer = stack.provider()?.issuer();
    let client = if browser {
        format!(
            "client_id = \"{}\"\nclient_secret_file = \"oidc-client-secret\"\n",
            oidc::GATEWAY_CLIENT
        )
    } else {
        String::new()
    };
    let mut text = format!(
        "[oidc]\nissuer = \"{issuer}\"\naudience = \"{}\"\n{client}ca_file = \"pki/ca.pem\"\n\
         roles_claim = \"groups\"\n",
        oidc::AUDIENCE
    );
    for role in ["trader", "operator", "compliance", "auditor"] {
        let _ = write!(
            text,
            "[[oidc.role]]\nclaim = \"{role}\"\nrole = \"{role}\"\n"
        );
    }
    for desk in ["rates", "fx"] {
        let _ = write!(
            text,
            "[[oidc.desk]]\nclaim = \"desk-{desk}\"\ndesk = \"{desk}\"\n"
        );
    }
    Ok(text)
}

fn policies() -> String {
    format!(
        "policies_dir = \"{}\"\n",
        tools::checkout().join("policies").display()
    )
}

fn sequencer(stack: &Stack) -> String {
    let options = &stack.options;
    format!(
        r#"{}[chain]
id = {CHAIN_ID}
gas_limit = 100000000
base_fee_wei = 0
fork = "osaka"
genesis_file = "genesis.json"
state_secret_file = "state-secret"
{}
[block]
interval_ms = 250

[batch]
max_blocks = {}
max_transactions = 10000
max_bytes = 10000000
max_age_ms = {}

[mempool]
max_transactions = 100000
max_per_sender = 10000
max_transaction_bytes = 131072

"#,
        grpc_server("sequencer", stack.ports.sequencer),
        policies(),
        options.batch_blocks,
        options.batch_age_ms
    )
}

fn l1(stack: &Stack, committer: bool) -> anyhow::Result<String> {
    let rollup = stack
        .rollup
        .as_ref()
        .context("the contracts were not deployed")?;
    let mut text = format!("[l1]\nchain_id = 31337\nrollup_contract = \"{rollup}\"\n");
    if committer {
        let _ = write!(
            text,
            "rpc_url = \"{}\"\ncommitter_key_file = \"committer-key\"\nconfirmations = 1\n\
             max_fee_per_gas_wei = 500000000000\npoll_ms = 250\n",
            stack.l1_url()?
        );
    }
    text.push('\n');
    Ok(text)
}

/// One engine at a time: a proof takes up to 10 GB.
fn proving(stack: &Stack) -> String {
    stack
        .options
        .engine
        .as_ref()
        .map_or_else(String::new, |engine| {
            let mut text = format!(
                "[prover]\nengine = \"{}\"\nkey_cache = \"{}\"\nscratch = \"{}\"\nworkers = 1\n",
                engine.program.display(),
                engine.key_cache.display(),
                stack.file("proving").display()
            );
            if let Some(wrapper) = &engine.wrapper {
                let _ = writeln!(text, "wrapper = \"{}\"", wrapper.display());
            }
            text
        })
}

/// The configuration of one service as TOML; paths are relative to the stack's folder.
pub(crate) fn of(stack: &Stack, name: ServiceName, admin: u16) -> anyhow::Result<String> {
    let common = common(stack, name, admin)?;
    let service = name.as_str();
    let ports = &stack.ports;
    Ok(match name {
        ServiceName::Sequencer => {
            format!("{common}{}", sequencer(stack))
        }
        ServiceName::Prover => format!(
            "{common}{}{}{}{}",
            grpc_server(service, ports.prover),
            grpc_client(service, "sequencer", ports.sequencer),
            l1(stack, true)?,
            proving(stack)
        ),
        ServiceName::Gateway => format!(
            "{}{common}[chain]\nid = {CHAIN_ID}\n\n{}{}{}{}",
            policies(),
            https(service, ports.gateway, Some(&stack.gateway_url())),
            grpc_client(service, "sequencer", ports.sequencer),
            grpc_client(service, "prover", ports.prover),
            oidc_section(stack, true)?
        ),
        ServiceName::Disclosure => format!(
            "{}signing_key_file = \"disclosure-signing.key\"\n{common}{}{}{}{}{}",
            policies(),
            https(service, ports.disclosure, None),
            grpc_client(service, "sequencer", ports.sequencer),
            grpc_client(service, "prover", ports.prover),
            l1(stack, false)?,
            oidc_section(stack, false)?
        ),
    })
}
