//! Who is at the other end of a connection.

use rustls_pki_types::CertificateDer;
use tonic::{Request, Status};

use crate::code::with_code;

/// The DNS name in a client's certificate, e.g. `gateway`. Only the TLS layer makes one, from a
/// certificate that it has verified.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerName(String);

impl PeerName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the caller of `request`.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, code `peer_unknown`: the connection carried no certificate, or one that
    /// does not hold exactly one DNS name (besides `localhost`).
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let known = request
            .extensions()
            .get::<PeerInfo>()
            .and_then(|info| info.name.clone());
        known.ok_or_else(|| {
            let message = "the client's certificate must hold exactly one DNS name";
            with_code(Status::unauthenticated(message), "peer_unknown")
        })
    }

    /// The name in a certificate whose chain and signature TLS has already verified. `None` unless
    /// it holds exactly one DNS name besides `localhost`: with two names, who acts would be a matter
    /// of opinion (invariant SPF-5). `localhost` names a machine, so it names nobody.
    pub(crate) fn from_verified(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
        let mut names = certificate
            .valid_dns_names()
            .filter(|name| *name != "localhost");
        let name = names.next()?;
        names
            .next()
            .is_none()
            .then(|| Self(name.to_ascii_lowercase()))
    }
}

impl std::fmt::Display for PeerName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What is known about a connection; in the extensions of each of its requests. Worked out once per
/// connection.
#[derive(Clone, Debug)]
pub struct PeerInfo {
    /// From the client's certificate.
    pub name: Option<PeerName>,
    /// Where the connection came from.
    pub address: Option<std::net::SocketAddr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> CertificateDer<'static> {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        rcgen::CertificateParams::new(names)
            .unwrap()
            .self_signed(&key)
            .unwrap()
            .der()
            .clone()
    }

    #[test]
    fn takes_the_only_dns_name_of_a_certificate() {
        let name = PeerName::from_verified(&certificate(&["gateway"])).unwrap();
        assert_eq!(name.as_str(), "gateway");
        let name =
            PeerName::from_verified(&certificate(&["Gateway", "localhost", "127.0.0.1"])).unwrap();
        assert_eq!(name.to_string(), "gateway");
    }

    #[test]
    fn a_certificate_with_no_or_two_dns_names_names_nobody() {
        // Defends SPF-5.
        assert_eq!(
            PeerName::from_verified(&certificate(&["localhost", "127.0.0.1"])),
            None
        );
        assert_eq!(
            PeerName::from_verified(&certificate(&["gateway", "prover"])),
            None
        );
        assert_eq!(
            PeerName::from_verified(&CertificateDer::from(vec![1, 2, 3])),
            None
        );
    }

    #[test]
    fn a_request_without_a_certificate_is_unauthenticated() {
        let status = PeerName::of(&Request::new(())).unwrap_err();
        assert_eq!(status.code(), tonic::Code::Unauthenticated);
        assert_eq!(crate::code::code_of(&status), Some("peer_unknown"));
    }
}
