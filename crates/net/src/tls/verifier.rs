//! Whom we trust in a handshake.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::trust::Fingerprint;

/// What a dialler asks of the server's key.
#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// It is this one: `pin=`.
    Pinned(Fingerprint),
    /// Somebody vouches for it: `ca=`, with `pin=` both.
    Vouched(Arc<WebPkiServerVerifier>, Option<Fingerprint>),
    /// It is the one that we know, or one that we shall know from now on.
    Known(Option<Fingerprint>),
    /// It is one that we do not know, to be told of.
    Unknown,
}

/// Checks servers by one rule, and that they have the key that they show.
#[derive(Debug)]
pub(super) struct Verifier {
    rule: Rule,
    algorithms: WebPkiSupportedAlgorithms,
    /// The key that was turned down.
    refused: Mutex<Option<Fingerprint>>,
    /// What is wrong with the certificate of a server that nobody vouches for.
    distrusted: Mutex<Option<Error>>,
}

impl Verifier {
    pub(super) fn new(rule: Rule, provider: &CryptoProvider) -> Self {
        Self {
            rule,
            algorithms: provider.signature_verification_algorithms,
            refused: Mutex::default(),
            distrusted: Mutex::default(),
        }
    }

    /// The key that was turned down because it is not the one that is asked for.
    pub(super) fn refused(&self) -> Option<Fingerprint> {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nobody vouches for the server. Kept, because QUIC passes on no more than its words.
    pub(super) fn distrusted(&self) -> Option<Error> {
        let kept = self.distrusted.lock();
        kept.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The one key that will do, where there is one.
    fn wanted(&self) -> Option<Fingerprint> {
        match &self.rule {
            Rule::Pinned(key) => Some(*key),
            Rule::Vouched(_, key) | Rule::Known(key) => *key,
            Rule::Unknown => None,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = Fingerprint::of_certificate(end_entity)
            .map_err(|_| Error::from(CertificateError::BadEncoding))?;
        let is_wanted = self.wanted().is_none_or(|wanted| wanted == key);
        if !is_wanted || matches!(self.rule, Rule::Unknown) {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        if let Rule::Vouched(authorities, _) = &self.rule {
            let vouched = authorities.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            );
            return vouched.inspect_err(|error| {
                let mut kept = self
                    .distrusted
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                *kept = Some(error.clone());
            });
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Takes clients with any key or none; the one that is shown must be theirs.
pub(super) struct AnyClient {
    algorithms: WebPkiSupportedAlgorithms,
}

impl AnyClient {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self {
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl fmt::Debug for AnyClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyClient")
    }
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// We trust keys and no names, so there is nobody to name who would have to vouch.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match Fingerprint::of_certificate(end_entity) {
            Ok(_) => Ok(ClientCertVerified::assertion()),
            Err(_) => Err(CertificateError::BadEncoding.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
