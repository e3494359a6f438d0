//! Reading and checking a configuration file.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// The longest configuration file that is read, in bytes.
pub const MAX_CONFIG_BYTES: u64 = 1024 * 1024;

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error("cannot read the configuration file `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The file is longer than [`MAX_CONFIG_BYTES`].
    #[error("the configuration file `{}` is longer than {MAX_CONFIG_BYTES} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The text is not TOML, lacks a setting, or has one that is unknown or of the wrong type.
    #[error("the configuration is not valid: {0}")]
    Parse(String),
    /// A setting has a value that cannot be used.
    #[error("the setting `{setting}` cannot be used: {problem}")]
    Invalid {
        /// Dotted name, e.g. `batch.max_blocks`.
        setting: String,
        /// What is wrong and what to write instead.
        problem: String,
    },
    /// A file named by a setting cannot be used.
    #[error("the setting `{setting}` names a file that cannot be used: {source}")]
    File {
        /// Dotted name.
        setting: String,
        /// Why.
        source: crate::SecretError,
    },
}

impl SettingsError {
    /// A setting that has a value which cannot be used.
    #[must_use]
    pub fn invalid(setting: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid {
            setting: setting.into(),
            problem: problem.into(),
        }
    }
}

/// Checks of a configuration that its types alone cannot express. Called once, after parsing and
/// before anything is opened.
pub trait Validate {
    /// Checks the values against each other and against their limits.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] for the first setting that cannot be used.
    fn validate(&self) -> Result<(), SettingsError>;
}

/// Reads, parses and validates the configuration file at `path`.
///
/// Settings whose names end in `_file` or `_dir` are paths; relative ones are taken from the folder
/// of the configuration file.
///
/// # Errors
/// Any [`SettingsError`].
pub fn load<T: DeserializeOwned + Validate>(path: &Path) -> Result<T, SettingsError> {
    let read_error = |source| SettingsError::Read {
        path: path.to_owned(),
        source,
    };
    let absolute = std::path::absolute(path).map_err(read_error)?;
    let mut text = String::new();
    std::fs::File::open(&absolute)
        .and_then(|file| file.take(MAX_CONFIG_BYTES + 1).read_to_string(&mut text))
        .map_err(read_error)?;
    if text.len() as u64 > MAX_CONFIG_BYTES {
        return Err(SettingsError::TooLong {
            path: path.to_owned(),
        });
    }
    parse(&text, absolute.parent().unwrap_or(Path::new("/")))
}

/// Parses and validates a configuration; `folder` is what relative paths are relative to.
///
/// # Errors
/// [`SettingsError::Parse`], [`SettingsError::Invalid`] or [`SettingsError::File`].
pub fn parse<T: DeserializeOwned + Validate>(
    text: &str,
    folder: &Path,
) -> Result<T, SettingsError> {
    // The first pass is for its errors only: they name the line, which a parsed table no longer
    // knows.
    toml::from_str::<T>(text).map_err(|error| SettingsError::Parse(error.to_string()))?;
    let mut table: toml::Table =
        toml::from_str(text).map_err(|error| SettingsError::Parse(error.to_string()))?;
    for (key, value) in &mut table {
        rebase(key, value, folder);
    }
    let settings: T = table
        .try_into()
        .map_err(|error| SettingsError::Parse(error.to_string()))?;
    settings.validate()?;
    Ok(settings)
}

/// Makes the paths in `value` absolute.
fn rebase(key: &str, value: &mut toml::Value, folder: &Path) {
    match value {
        toml::Value::String(text) if is_path(key) => {
            if let Some(joined) = folder.join(&*text).to_str() {
                joined.clone_into(text);
            }
        }
        toml::Value::Array(items) => {
            for item in items {
                rebase(key, item, folder);
            }
        }
        toml::Value::Table(table) => {
            for (key, value) in table {
                rebase(key, value, folder);
            }
        }
        _ => {}
    }
}

/// Whether a setting of this name holds a path.
fn is_path(key: &str) -> bool {
    ["_file", "_dir", "_files", "_dirs"]
        .iter()
        .any(|suffix| key.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        limit: u32,
        key_file: Option<PathBuf>,
        #[serde(default)]
        ca_files: Vec<PathBuf>,
        section: Option<Section>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Section {
        policies_dir: PathBuf,
    }

    impl Validate for Config {
        fn validate(&self) -> Result<(), SettingsError> {
            if self.limit == 0 {
                return Err(SettingsError::invalid("limit", "must be at least 1"));
            }
            Ok(())
        }
    }

    fn parse_in_etc(text: &str) -> Result<Config, SettingsError> {
        parse(text, Path::new("/etc/cloister"))
    }

    #[test]
    fn refuses_an_unknown_key_and_names_its_line() {
        let error = parse_in_etc("limit = 1\nlimti = 2\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(error.contains("unknown field `limti`"), "{error}");
    }

    #[test]
    fn refuses_an_unknown_key_in_a_section() {
        let error =
            parse_in_etc("limit = 1\n[section]\npolicies_dir = \"p\"\nx = 1\n").unwrap_err();
        assert!(error.to_string().contains("unknown field `x`"), "{error}");
    }

    #[test]
    fn refuses_a_missing_setting() {
        let error = parse_in_etc("").unwrap_err().to_string();
        assert!(error.contains("missing field `limit`"), "{error}");
    }

    #[test]
    fn refuses_a_value_that_validation_refuses() {
        let error = parse_in_etc("limit = 0").unwrap_err().to_string();
        assert_eq!(
            error,
            "the setting `limit` cannot be used: must be at least 1"
        );
    }

    #[test]
    fn takes_relative_paths_from_the_folder_of_the_file() {
        let config = parse_in_etc(
            "limit = 1\nkey_file = \"keys/a.pem\"\nca_files = [\"a\", \"/b\"]\n\
             [section]\npolicies_dir = \"../p\"\n",
        )
        .unwrap();
        assert_eq!(
            config.key_file.unwrap(),
            Path::new("/etc/cloister/keys/a.pem")
        );
        assert_eq!(
            config.ca_files,
            [Path::new("/etc/cloister/a"), Path::new("/b")]
        );
        assert_eq!(
            config.section.unwrap().policies_dir,
            Path::new("/etc/cloister/../p")
        );
    }

    #[test]
    fn reads_a_file_and_resolves_against_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.toml");
        std::fs::write(&path, "limit = 3\nkey_file = \"k\"\n").unwrap();
        let config: Config = load(&path).unwrap();
        assert_eq!(config.limit, 3);
        assert_eq!(config.key_file.unwrap(), folder.path().join("k"));
    }

    #[test]
    fn refuses_a_file_that_is_absent_or_too_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.toml");
        assert!(matches!(
            load::<Config>(&path),
            Err(SettingsError::Read { .. })
        ));
        std::fs::write(&path, " ".repeat(1024 * 1024 + 1)).unwrap();
        assert!(matches!(
            load::<Config>(&path),
            Err(SettingsError::TooLong { .. })
        ));
    }
}
