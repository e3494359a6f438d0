//! Secrets that live in files of their own.

use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The longest secret that is read, in bytes.
pub const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// Bits of a file's mode that a secret must not have: anything for others, writing for the group.
/// The group may read, because Kubernetes mounts secrets so.
const FORBIDDEN_MODE: u32 = 0o027;

/// Why a secret could not be read. Never holds the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The operating system refused.
    #[error("cannot read `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: std::io::Error,
    },
    /// Not a regular file.
    #[error("`{}` is not a regular file", path.display())]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// Others may read it or the group may write it.
    #[error(
        "`{}` has mode {mode:o}; a secret must not be open to others: run `chmod 600` on it",
        path.display()
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Longer than [`MAX_SECRET_BYTES`].
    #[error("`{}` is longer than {MAX_SECRET_BYTES} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// Nothing in it but white space.
    #[error("`{}` is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Text was expected.
    #[error("`{}` is not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
}

/// The path of a file that holds one secret. The secret itself is read only when it is needed and
/// is wiped from memory when dropped; it is never part of the configuration, so printing the
/// configuration cannot reveal it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretFile(pub PathBuf);

impl SecretFile {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the secret as text, without white space at its ends.
    ///
    /// # Errors
    /// [`SecretError`], also when nothing is left.
    pub fn read(&self) -> Result<Zeroizing<String>, SecretError> {
        let bytes = self.read_bytes()?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| SecretError::NotText {
                path: self.0.clone(),
            })?
            .trim();
        if text.is_empty() {
            return Err(SecretError::Empty {
                path: self.0.clone(),
            });
        }
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Reads the secret as it stands in the file.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn read_bytes(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let path = &self.0;
        let read_error = |source| SecretError::Read {
            path: path.clone(),
            source,
        };
        let file = std::fs::File::open(path).map_err(read_error)?;
        // Looked up on the open file, so that what is checked is what is read.
        let metadata = file.metadata().map_err(read_error)?;
        if !metadata.is_file() {
            return Err(SecretError::NotAFile { path: path.clone() });
        }
        let mode = metadata.mode() & 0o7777;
        if mode & FORBIDDEN_MODE != 0 {
            return Err(SecretError::TooOpen {
                path: path.clone(),
                mode,
            });
        }
        if metadata.len() > MAX_SECRET_BYTES {
            return Err(SecretError::TooLong { path: path.clone() });
        }
        // One allocation that holds everything: growing would leave copies that are not wiped.
        let room = usize::try_from(MAX_SECRET_BYTES).unwrap_or(0) + 1;
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        file.take(MAX_SECRET_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(read_error)?;
        if bytes.len() as u64 > MAX_SECRET_BYTES {
            return Err(SecretError::TooLong { path: path.clone() });
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn secret(content: &[u8], mode: u32) -> (tempfile::TempDir, SecretFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        (folder, SecretFile(path))
    }

    #[test]
    fn reads_a_secret_without_the_newline_at_its_end() {
        for mode in [0o400, 0o440, 0o600, 0o640] {
            let (_folder, file) = secret(b"  hunter2\n", mode);
            assert_eq!(*file.read().unwrap(), "hunter2");
        }
    }

    #[test]
    fn refuses_a_secret_that_others_may_read_or_the_group_may_write() {
        // Defends SPF-1.
        for wanted in [0o604, 0o644, 0o660, 0o606, 0o601, 0o666] {
            let (_folder, file) = secret(b"x", wanted);
            match file.read_bytes() {
                Err(SecretError::TooOpen { mode, .. }) => assert_eq!(mode, wanted),
                other => panic!("mode {wanted:o}: {other:?}"),
            }
        }
    }

    #[test]
    fn refuses_a_secret_that_is_empty_too_long_or_not_text() {
        let (_folder, file) = secret(b" \n", 0o600);
        assert!(matches!(file.read(), Err(SecretError::Empty { .. })));
        let (_folder, file) = secret(&vec![b'a'; 64 * 1024 + 1], 0o600);
        assert!(matches!(file.read(), Err(SecretError::TooLong { .. })));
        let (_folder, file) = secret(&[0xff], 0o600);
        assert!(matches!(file.read(), Err(SecretError::NotText { .. })));
    }

    #[test]
    fn refuses_a_folder_and_an_absent_file() {
        let folder = tempfile::tempdir().unwrap();
        let not_a_file = SecretFile(folder.path().to_owned()).read();
        assert!(
            matches!(not_a_file, Err(SecretError::NotAFile { .. })),
            "{not_a_file:?}"
        );
        let absent = SecretFile(folder.path().join("absent")).read();
        assert!(
            matches!(absent, Err(SecretError::Read { .. })),
            "{absent:?}"
        );
    }
}
