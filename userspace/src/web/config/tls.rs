//! The web's TLS: certificate, versions, ciphers and curves, by rustls and ring alone.

use std::{path::Path, sync::Arc};

use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::{CryptoProvider, SupportedKxGroup, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::{TLS12, TLS13},
};

use super::{
    Stamped, clients,
    file::{Text, Tls, Wrong},
    stamp,
};

/// A PEM text and where it is from, for messages.
pub(super) struct Pem {
    pub(super) key: &'static str,
    pub(super) at: Text,
    pub(super) text: Vec<u8>,
}

impl Pem {
    pub(super) fn wrong(&self, what: impl std::fmt::Display) -> Wrong {
        Wrong::at(&self.at, self.key, what)
    }

    /// The certificates in it, at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Wrong> {
        let read = CertificateDer::pem_slice_iter(&self.text).collect::<Result<Vec<_>, _>>();
        match read {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) => Err(self.wrong("there is no certificate in it")),
            Err(error) => Err(self.wrong(error)),
        }
    }
}

/// Files that a configuration names, below the folder of its own.
pub(super) struct Files<'a> {
    folder: &'a Path,
    /// Those that were looked for, there or not, as they were before they were read.
    pub(super) named: Vec<Stamped>,
}

impl<'a> Files<'a> {
    pub(super) const fn below(folder: &'a Path) -> Self {
        Self { folder, named: Vec::new() }
    }

    /// Notes a file that is about to be read.
    pub(super) fn look(&mut self, file: &Path) {
        self.named.push((file.to_owned(), stamp(file)));
    }

    /// The text that is given inline or by file, not both.
    pub(super) fn pem(
        &mut self,
        (key, inline): (&'static str, &Option<Text>),
        (file_key, file): (&'static str, &Option<Text>),
    ) -> Result<Option<Pem>, Wrong> {
        let some = |text: &Option<Text>| text.clone().filter(|text| !text.value.is_empty());
        match (some(inline), some(file)) {
            (None, None) => Ok(None),
            (Some(_), Some(file)) => {
                Err(Wrong::at(&file, file_key, format!("{key} is there too; keep one of them")))
            }
            (Some(inline), None) => {
                let text = inline.value.clone().into_bytes();
                Ok(Some(Pem { key, at: inline, text }))
            }
            (None, Some(file)) => {
                let path = self.folder.join(&file.value);
                self.look(&path);
                let text = std::fs::read(&path).map_err(|error| {
                    Wrong::at(&file, file_key, format!("reading {}: {error}", path.display()))
                })?;
                Ok(Some(Pem { key: file_key, at: file, text }))
            }
        }
    }
}

/// The server's side of TLS.
pub(super) fn server(
    tls: &Tls,
    http2: bool,
    files: &mut Files<'_>,
) -> Result<Arc<ServerConfig>, Wrong> {
    let cert = files.pem(("cert", &tls.cert), ("cert_file", &tls.cert_file))?;
    let key = files.pem(("key", &tls.key), ("key_file", &tls.key_file))?;
    let client_ca =
        files.pem(("client_ca", &tls.client_ca), ("client_ca_file", &tls.client_ca_file))?;
    let cert = cert.ok_or_else(|| Wrong::of("tls_server_config: cert_file or cert is missing"))?;
    let key = key.ok_or_else(|| Wrong::of("tls_server_config: key_file or key is missing"))?;
    let provider = Arc::new(provider(tls)?);
    let clients = clients::verifier(tls, client_ca.as_ref(), &provider)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions(tls)?)
        .map_err(|error| Wrong::of(format!("tls_server_config: {error}")))?;
    let secret = PrivateKeyDer::from_pem_slice(&key.text).map_err(|error| key.wrong(error))?;
    let mut config = builder
        .with_client_cert_verifier(clients)
        .with_single_cert(cert.certificates()?, secret)
        .map_err(|error| key.wrong(format!("certificate and key: {error}")))?;
    config.ignore_client_order = tls.prefer_server_cipher_suites.unwrap_or(true);
    let protocols: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

fn versions(tls: &Tls) -> Result<Vec<&'static SupportedProtocolVersion>, Wrong> {
    let all = [(12, &TLS12), (13, &TLS13)];
    let least = tls.min_version.as_ref().map_or(Ok(12), |text| version(text, "min_version"))?;
    let most = tls.max_version.as_ref().map_or(Ok(13), |text| version(text, "max_version"))?;
    match (&tls.max_version, least <= most) {
        (Some(text), false) => Err(Wrong::at(text, "max_version", "is below min_version")),
        _ => Ok(all.iter().filter(|(n, _)| (least..=most).contains(n)).map(|(_, v)| *v).collect()),
    }
}

fn version(text: &Text, key: &str) -> Result<u8, Wrong> {
    match text.value.as_str() {
        "TLS12" => Ok(12),
        "TLS13" => Ok(13),
        old @ ("TLS10" | "TLS11") => {
            let why = format!("{old} is not offered (RFC 8996); write TLS12 or TLS13");
            Err(Wrong::at(text, key, why))
        }
        other => Err(Wrong::at(text, key, format!("{other:?} is none of TLS12, TLS13"))),
    }
}

fn provider(tls: &Tls) -> Result<CryptoProvider, Wrong> {
    let mut provider = ring::default_provider();
    if !tls.cipher_suites.is_empty() {
        let wanted = tls.cipher_suites.iter().map(|suite| cipher(suite, &provider));
        let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
        // As in Go, the list is of TLS 1.2's: those of 1.3 are all good.
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        provider.cipher_suites.extend(wanted.iter().filter(|suite| suite.tls13().is_none()));
    }
    if !tls.curve_preferences.is_empty() {
        let curves = tls.curve_preferences.iter().map(curve);
        provider.kx_groups = curves.collect::<Result<_, _>>()?;
    }
    Ok(provider)
}

fn cipher(text: &Text, provider: &CryptoProvider) -> Result<rustls::SupportedCipherSuite, Wrong> {
    let name = |suite: &rustls::SupportedCipherSuite| {
        suite.suite().as_str().unwrap_or_default().replace("TLS13_", "TLS_")
    };
    // Go's older names of two of them.
    let wanted = match text.value.as_str() {
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305" => "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305" => "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        name => name,
    };
    let found = provider.cipher_suites.iter().find(|suite| name(suite) == wanted);
    found.copied().ok_or_else(|| {
        let offered: Vec<_> = provider.cipher_suites.iter().map(name).collect();
        let why = format!("{wanted:?} is not offered; offered are {}", offered.join(", "));
        Wrong::at(text, "cipher_suites", why)
    })
}

fn curve(text: &Text) -> Result<&'static dyn SupportedKxGroup, Wrong> {
    match text.value.as_str() {
        "CurveP256" => Ok(ring::kx_group::SECP256R1),
        "CurveP384" => Ok(ring::kx_group::SECP384R1),
        "X25519" => Ok(ring::kx_group::X25519),
        other => {
            let why = format!("{other:?} is not offered; offered are X25519, CurveP256, CurveP384");
            Err(Wrong::at(text, "curve_preferences", why))
        }
    }
}
