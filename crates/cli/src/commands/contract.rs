//! `cloister contract`: tells the gateway what a contract is, and asks what it knows.

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use serde_json::{Map, Value, json};

use crate::error::CliError;
use crate::http::Api;
use crate::terminal;

/// The longest file that is read, in bytes: compilers write bytecode and sources beside the ABI.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// What to attach to which contract.
#[derive(Debug, clap::Args)]
pub(crate) struct RegisterArguments {
    /// The contract
    address: Address,
    /// Its ABI in JSON, alone or in what a compiler writes (Foundry, Hardhat)
    #[arg(long, value_name = "FILE", required_unless_present = "template")]
    abi: Option<PathBuf>,
    /// The policy template: erc20, erc721, erc1155, access or standard [default: erc20]
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
}

/// The ABI in `text`: the whole, or the member `abi` of a compiler's output.
fn abi(path: &Path, text: &[u8]) -> Result<Value, CliError> {
    let refused = |why: &str| CliError::Argument(format!("`{}` {why}", path.display()));
    match serde_json::from_slice(text) {
        Err(error) => Err(refused(&format!("is no JSON: {error}"))),
        Ok(list @ Value::Array(_)) => Ok(list),
        Ok(Value::Object(mut artifact)) => match artifact.remove("abi") {
            Some(list @ Value::Array(_)) => Ok(list),
            _ => Err(refused(
                "has no member `abi` that is a list: give the ABI, or a compiler's output with it",
            )),
        },
        Ok(_) => Err(refused(
            "is no ABI: an ABI is a list of functions and events",
        )),
    }
}

fn read(path: &Path) -> Result<Value, CliError> {
    let file = |source| CliError::File {
        path: path.to_path_buf(),
        source,
    };
    let size = std::fs::metadata(path).map_err(file)?.len();
    if size > MAX_FILE_BYTES {
        return Err(CliError::Argument(format!(
            "`{}` has {size} bytes, more than the {MAX_FILE_BYTES} that are read",
            path.display()
        )));
    }
    abi(path, &std::fs::read(path).map_err(file)?)
}

/// Attaches an ABI, a template or both.
///
/// # Errors
/// When the file holds no ABI or the gateway refuses.
pub(crate) async fn register(api: &Api, arguments: &RegisterArguments) -> Result<(), CliError> {
    let mut wanted = Map::new();
    if let Some(path) = &arguments.abi {
        wanted.insert("abi".to_owned(), read(path)?);
    }
    if let Some(template) = &arguments.template {
        wanted.insert("template".to_owned(), json!(template));
    }
    let params = json!([arguments.address, wanted]);
    let answer = api.rpc("cloister_registerContract", params).await?;
    let text = |name| answer.get(name).and_then(Value::as_str).unwrap_or("none");
    let functions = match answer.get("functions").and_then(Value::as_u64) {
        Some(count) if arguments.abi.is_some() => format!("{count} functions"),
        _ => "the functions of its template".to_owned(),
    };
    terminal::line(&terminal::clean(&format!(
        "registered {}: template {}, desk {}, {functions}",
        arguments.address,
        text("template"),
        text("desk"),
    )));
    Ok(())
}

/// Shows what the gateway knows of a contract.
///
/// # Errors
/// When the gateway refuses or knows no such contract.
pub(crate) async fn show(api: &Api, address: Address) -> Result<(), CliError> {
    let contract = api.rpc("cloister_getContract", json!([address])).await?;
    if contract.is_null() {
        return Err(CliError::Argument(format!(
            "no contract was deployed at {address} through the gateway"
        )));
    }
    terminal::line(&serde_json::to_string_pretty(&contract).unwrap_or_default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Result<Value, String> {
        abi(Path::new("a.json"), text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn an_abi_is_found_alone_and_in_a_compilers_output() {
        assert_eq!(found("[]"), Ok(json!([])));
        assert_eq!(found(r#"{"abi": [{}], "bytecode": {}}"#), Ok(json!([{}])));
    }

    #[test]
    fn says_what_is_wrong_with_a_file_that_holds_no_abi() {
        assert!(found("{").unwrap_err().starts_with("`a.json` is no JSON: "));
        assert!(found("7").unwrap_err().contains("is no ABI"));
        for text in ["{}", r#"{"abi": "[]"}"#] {
            assert!(found(text).unwrap_err().contains("has no member `abi`"));
        }
    }
}
