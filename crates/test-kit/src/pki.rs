//! A certificate authority of our own and leaf certificates for the services.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Makes rustls use ring in this process. Calling it again changes nothing.
pub fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A certificate and its private key, as PEM files.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Certificate chain file.
    pub certificate_file: PathBuf,
    /// Private key file (PKCS#8), readable by its owner only.
    pub private_key_file: PathBuf,
}

/// A certificate authority whose files lie in one folder.
pub struct Pki {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Pki {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pki")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Writes `text` to a file that only its owner may read.
///
/// # Errors
/// When it cannot be written.
pub fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    Ok(())
}

impl Pki {
    /// Makes a new authority in `folder`; its certificate is `ca.pem`.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn new(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut params = CertificateParams::new(Vec::<String>::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params
            .distinguished_name
            .push(DnType::CommonName, "Cloister development CA");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        std::fs::write(folder.join("ca.pem"), certificate.pem())?;
        Ok(Self {
            folder: folder.to_path_buf(),
            issuer: Issuer::new(params, key),
        })
    }

    /// The authority's certificate.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for `name`, valid also for `localhost` and `127.0.0.1`, for servers and
    /// clients alike. The service's name comes first among the alternative names.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn issue(&self, name: &str) -> anyhow::Result<Identity> {
        let names = vec![
            name.to_owned(),
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
        ];
        self.issue_for(name, names)
    }

    /// A certificate for exactly `names`, in files called after `file`.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn issue_for(&self, file: &str, names: Vec<String>) -> anyhow::Result<Identity> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, file);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let identity = Identity {
            certificate_file: self.folder.join(format!("{file}.pem")),
            private_key_file: self.folder.join(format!("{file}.key")),
        };
        std::fs::write(&identity.certificate_file, certificate.pem())?;
        write_secret(&identity.private_key_file, &key.serialize_pem())?;
        Ok(identity)
    }
}
