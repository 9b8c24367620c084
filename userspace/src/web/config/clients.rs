//! Which client certificates are asked for, and which are let in.

use std::{net::IpAddr, sync::Arc};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use x509_cert::{
    Certificate,
    der::Decode,
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use super::{
    file::{Text, Tls, Wrong},
    tls::Pem,
};

/// What `client_auth_type` may be.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Policy {
    None,
    Request,
    RequireAny,
    VerifyIfGiven,
    RequireAndVerify,
}

impl Policy {
    fn of(text: &Text) -> Result<Self, Wrong> {
        match text.value.as_str() {
            "" | "NoClientCert" => Ok(Self::None),
            "RequestClientCert" => Ok(Self::Request),
            // The second is an older name.
            "RequireAnyClientCert" | "RequireClientCert" => Ok(Self::RequireAny),
            "VerifyClientCertIfGiven" => Ok(Self::VerifyIfGiven),
            "RequireAndVerifyClientCert" => Ok(Self::RequireAndVerify),
            other => Err(Wrong::at(
                text,
                "client_auth_type",
                format!(
                    "{other:?} is none of NoClientCert, RequestClientCert, RequireAnyClientCert, \
                 VerifyClientCertIfGiven, RequireAndVerifyClientCert"
                ),
            )),
        }
    }
}

/// The verifier that a configuration asks for.
pub(super) fn verifier(
    tls: &Tls,
    ca: Option<&Pem>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Wrong> {
    let policy = tls.client_auth_type.as_ref().map_or(Ok(Policy::None), Policy::of)?;
    // Whoever need not show a certificate would not be asked for its names.
    if tls.client_allowed_sans.is_some()
        && !matches!(policy, Policy::RequireAny | Policy::RequireAndVerify)
    {
        return Err(Wrong::of(
            "client_allowed_sans: client_auth_type must be RequireAnyClientCert or RequireAndVerifyClientCert",
        ));
    }
    let mandatory = match policy {
        Policy::None => {
            if let Some(ca) = ca {
                return Err(ca.wrong("there is no client_auth_type that uses it"));
            }
            return Ok(WebPkiClientVerifier::no_client_auth());
        }
        Policy::Request | Policy::VerifyIfGiven => false,
        Policy::RequireAny | Policy::RequireAndVerify => true,
    };
    let chain = match policy {
        Policy::VerifyIfGiven | Policy::RequireAndVerify => Some(chain(ca, mandatory, provider)?),
        _ => None,
    };
    let allowed = tls.client_allowed_sans.clone();
    Ok(Arc::new(Clients { chain, mandatory, allowed, provider: Arc::clone(provider) }))
}

fn chain(
    ca: Option<&Pem>,
    mandatory: bool,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Wrong> {
    let ca = ca.ok_or_else(|| Wrong::of("client_auth_type: client_ca_file is missing"))?;
    let mut roots = RootCertStore::empty();
    for certificate in ca.certificates()? {
        roots.add(certificate).map_err(|error| ca.wrong(error))?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = if mandatory { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| ca.wrong(error))
}

/// Asks for a certificate; without a chain any will do, if its key is the client's.
#[derive(Debug)]
struct Clients {
    chain: Option<Arc<dyn ClientCertVerifier>>,
    mandatory: bool,
    /// Names of which a certificate must have one; without a list any certificate will do.
    allowed: Option<Vec<String>>,
    provider: Arc<CryptoProvider>,
}

impl Clients {
    fn allows(&self, certificate: &CertificateDer<'_>) -> bool {
        let Some(allowed) = &self.allowed else { return true };
        names(certificate).iter().any(|name| allowed.contains(name))
    }
}

impl ClientCertVerifier for Clients {
    fn offer_client_auth(&self) -> bool {
        true
    }

    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.as_ref().map_or(&[], |chain| chain.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(chain) = &self.chain {
            chain.verify_client_cert(certificate, intermediates, now)?;
        }
        if self.allows(certificate) {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(Error::General("the client's certificate has none of client_allowed_sans".into()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Host names, addresses of mail and of hosts, and URIs in a certificate (RFC 5280, section 4.2.1.6).
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some((_, SubjectAltName(names)))) = certificate.tbs_certificate.get() else {
        return Vec::new();
    };
    let text = |name: &GeneralName| match name {
        GeneralName::DnsName(name) | GeneralName::Rfc822Name(name) => Some(name.to_string()),
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.to_string()),
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes()).map(|ip| ip.to_string()),
        _ => None,
    };
    names.iter().filter_map(text).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
