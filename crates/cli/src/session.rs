//! The tokens of the person who is logged in, in a file that only they can read.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::error::CliError;

/// The largest session file that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// Tokens of one login. Dropped, they are wiped from memory.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Session {
    /// Bearer token for the services.
    pub(crate) access_token: String,
    /// For new access tokens, where the provider gives one.
    pub(crate) refresh_token: Option<String>,
    /// When the access token ends, UNIX seconds.
    pub(crate) expires_at: u64,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The session file beside the settings.
#[derive(Debug, Clone)]
pub(crate) struct SessionStore {
    path: PathBuf,
}

impl SessionStore {
    /// The store beside the settings file `config`.
    pub(crate) fn beside(config: &Path) -> Self {
        Self {
            path: config.with_file_name("session.json"),
        }
    }

    /// The stored session.
    ///
    /// # Errors
    /// When nobody is logged in, or the file is damaged or readable by others.
    pub(crate) fn load(&self) -> Result<Session, CliError> {
        let damaged = |reason: String| CliError::Session {
            path: self.path.clone(),
            reason,
        };
        let meta = match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CliError::NotLoggedIn);
            }
            other => other.map_err(|error| damaged(error.to_string()))?,
        };
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(damaged(
                "it can be read by others; run `cloister login` again".to_owned(),
            ));
        }
        if meta.len() > MAX_BYTES {
            return Err(damaged("it is too large".to_owned()));
        }
        let text = std::fs::read(&self.path).map_err(|error| damaged(error.to_string()))?;
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))
    }

    /// Stores a session; the file is never readable by others, not even for a moment, and is
    /// replaced whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&self, session: &Session) -> Result<(), CliError> {
        let failed = |error: std::io::Error| CliError::Session {
            path: self.path.clone(),
            reason: error.to_string(),
        };
        let mut text = serde_json::to_vec(session).map_err(|error| failed(error.into()))?;
        let new = self
            .path
            .with_extension(format!("{}.new", std::process::id()));
        let written = std::fs::File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .and_then(|mut file| file.write_all(&text).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&new, &self.path));
        text.zeroize();
        written.map_err(failed)
    }

    /// Forgets the session; nothing happens when there is none.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub(crate) fn clear(&self) -> Result<(), CliError> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(CliError::Session {
                path: self.path.clone(),
                reason: error.to_string(),
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            access_token: "a".into(),
            refresh_token: None,
            expires_at: 7,
        }
    }

    #[test]
    fn a_session_comes_back_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let store = SessionStore::beside(&folder.path().join("config.toml"));
        assert!(matches!(store.load(), Err(CliError::NotLoggedIn)));
        store.save(&session()).unwrap();
        assert_eq!(store.load().unwrap().expires_at, 7);
        let mode = std::fs::metadata(&store.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        store.clear().unwrap();
        store.clear().unwrap();
        assert!(matches!(store.load(), Err(CliError::NotLoggedIn)));
    }

    #[test]
    fn refuses_a_session_that_others_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let store = SessionStore::beside(&folder.path().join("config.toml"));
        store.save(&session()).unwrap();
        std::fs::set_permissions(&store.path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let refusal = store.load().unwrap_err().to_string();
        assert!(refusal.contains("can be read by others"), "{refusal}");
    }

    #[test]
    fn tokens_are_not_shown_in_debug_output() {
        let mut secret = session();
        secret.access_token = "secret".into();
        let shown = format!("{secret:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }
}
