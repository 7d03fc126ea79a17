//! Who we are: one key and one certificate for it.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

use super::error::TrustError;
use super::file::{FILE_LIMIT, FolderLock, Guard, check_folder, failed, own_folder, read, replace};
use super::fingerprint::Fingerprint;

/// The names of the two files.
const KEY: &str = "key.pem";
const CERTIFICATE: &str = "cert.pem";
/// The certificate is for whoever checks names besides keys: the same on every machine, because it
/// is shown to everybody whom we dial.
const NAMES: [&str; 4] = ["sockeye", "localhost", "127.0.0.1", "::1"];
/// Certificates in one file: a chain of this length is a mistake.
const CHAIN_LIMIT: usize = 16;

/// A secret key with the certificate that shows its public half.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    key: Arc<PrivateKeyDer<'static>>,
    fingerprint: Fingerprint,
}

impl Identity {
    /// The identity in this folder, made if there is none: ECDSA on P-256 with one self-signed
    /// certificate, in the files `key.pem` and `cert.pem`. Of many that make it at once one does.
    pub fn load_or_make(dir: &Path) -> Result<Self, TrustError> {
        if let Some(found) = Self::load(dir)? {
            return Ok(found);
        }
        own_folder(dir)?;
        let _lock = FolderLock::take(dir)?;
        if let Some(found) = Self::load(dir)? {
            return Ok(found);
        }
        make(dir)?;
        Self::load(dir)?.ok_or_else(|| TrustError::Making("it is gone again".into()))
    }

    /// The identity in this folder, if it is complete.
    fn load(dir: &Path) -> Result<Option<Self>, TrustError> {
        let (key_path, certificate_path) = (dir.join(KEY), dir.join(CERTIFICATE));
        // The key is written last: while there is none, there is nothing.
        let Some((key, _)) = read(&key_path, Guard::Secret)? else {
            return Ok(None);
        };
        check_folder(dir)?;
        let Some((certificate, _)) = read(&certificate_path, Guard::Integrity)? else {
            return Ok(None);
        };
        let key = key_of(&key, &key_path)?;
        let chain = chain_of(&certificate, &certificate_path)?;
        Self::new(chain, key, &certificate_path).map(Some)
    }

    /// An identity in PEM files of other making: the chain, our certificate first, and its key
    /// (PKCS #8, SEC 1 or PKCS #1), which may be in the same file.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TrustError> {
        // Whoever names a file vouches for it; it may be a pipe.
        let bytes = |path: &Path| {
            let mut bytes = vec![];
            let file = File::open(path).map_err(failed("read", path))?;
            let read = file.take(FILE_LIMIT + 1).read_to_end(&mut bytes);
            if read.map_err(failed("read", path))? as u64 > FILE_LIMIT {
                let path = path.to_owned();
                return Err(TrustError::TooLarge { path });
            }
            Ok(bytes)
        };
        let chain = chain_of(&bytes(certificate)?, certificate)?;
        let key = key_of(&bytes(key)?, key)?;
        Self::new(chain, key, certificate)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        path: &Path,
    ) -> Result<Self, TrustError> {
        let unfit = |why: String| TrustError::Content {
            path: path.to_owned(),
            why,
        };
        let fingerprint =
            Fingerprint::of_certificate(&chain[0]).map_err(|error| unfit(error.to_string()))?;
        let provider = aws_lc_rs::default_provider();
        let certified = CertifiedKey::from_der(chain, key.clone_key(), &provider)
            .map_err(|error| unfit(why_unfit(&error)))?;
        Ok(Self {
            certified: Arc::new(certified),
            key: Arc::new(key),
            fingerprint,
        })
    }

    /// The name of our key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The SHA-256 of the certificate, in hex, as `openssl x509 -fingerprint -sha256` counts it.
    pub fn certificate_sha256(&self) -> String {
        let digest = Sha256::digest(&self.certificates()[0]);
        let mut hex = String::with_capacity(2 * digest.len());
        for byte in digest {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    }

    /// Our certificate first, then those that vouch for it, as DER.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// The secret key as DER.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key()
    }

    /// The two together, as rustls takes them.
    pub fn certified(&self) -> Arc<CertifiedKey> {
        self.certified.clone()
    }

    /// Where the key and the certificate of a folder's identity lie.
    pub fn files(dir: &Path) -> (PathBuf, PathBuf) {
        (dir.join(KEY), dir.join(CERTIFICATE))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Identity")
            .field(&self.fingerprint)
            .finish()
    }
}

/// Writes what is missing. Called under the folder's lock.
fn make(dir: &Path) -> Result<(), TrustError> {
    let (key_path, certificate_path) = (dir.join(KEY), dir.join(CERTIFICATE));
    // A key whose certificate was removed keeps being who we are.
    if let Some((pem, _)) = read(&key_path, Guard::Secret)? {
        let pem = String::from_utf8_lossy(&pem);
        let key = KeyPair::from_pem(&pem).map_err(|error| TrustError::Content {
            path: key_path,
            why: error.to_string(),
        })?;
        return replace(&certificate_path, certificate(&key)?.as_bytes(), 0o644);
    }
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(making)?;
    replace(&certificate_path, certificate(&key)?.as_bytes(), 0o644)?;
    replace(&key_path, key.serialize_pem().as_bytes(), 0o600)
}

/// A certificate of the key for itself, as PEM: for servers and clients, and for ever.
fn certificate(key: &KeyPair) -> Result<String, TrustError> {
    let mut params = CertificateParams::new(NAMES.map(String::from)).map_err(making)?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, NAMES[0]);
    params.distinguished_name = name;
    // Earlier than any clock that was set, and RFC 5280's word for never (section 4.1.2.5).
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31) + Duration::from_secs(24 * 60 * 60 - 1);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    Ok(params.self_signed(key).map_err(making)?.pem())
}

#[expect(clippy::needless_pass_by_value, reason = "it stands behind map_err")]
fn making(error: rcgen::Error) -> TrustError {
    TrustError::Making(error.to_string())
}

fn chain_of(pem: &[u8], path: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let unfit = |why: String| TrustError::Content {
        path: path.to_owned(),
        why,
    };
    let mut chain = vec![];
    for certificate in CertificateDer::pem_slice_iter(pem) {
        chain.push(certificate.map_err(|error| unfit(error.to_string()))?);
        if chain.len() > CHAIN_LIMIT {
            return Err(unfit(format!("more than {CHAIN_LIMIT} certificates")));
        }
    }
    if chain.is_empty() {
        return Err(unfit("holds no certificate as PEM".into()));
    }
    Ok(chain)
}

fn key_of(pem: &[u8], path: &Path) -> Result<PrivateKeyDer<'static>, TrustError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| TrustError::Content {
        path: path.to_owned(),
        why: format!("holds no secret key as PEM without a password: {error}"),
    })
}

fn why_unfit(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => {
            "the certificate is for another key: remove it, or name the two that belong together"
                .into()
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::process::Command;
    use std::thread;

    #[test]
    fn it_is_made_once_and_private() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("config/sockeye");
        let made = Identity::load_or_make(&dir).unwrap();
        let again = Identity::load_or_make(&dir).unwrap();
        assert_eq!(made.fingerprint(), again.fingerprint());
        assert_eq!(made.certificate_sha256(), again.certificate_sha256());
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        let (key, certificate) = Identity::files(&dir);
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&key), 0o600);
        let shown = format!("{made:?}");
        assert!(shown.starts_with("Identity(SHA256:"), "{shown}");

        // The certificate is only what shows the key.
        fs::remove_file(&certificate).unwrap();
        let renewed = Identity::load_or_make(&dir).unwrap();
        assert_eq!(made.fingerprint(), renewed.fingerprint());
        let (_, left) = (key, fs::read_dir(&dir).unwrap().count());
        assert_eq!(left, 3, "key, certificate, lock");
    }

    #[test]
    fn of_many_that_make_it_at_once_one_does() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("sockeye");
        let makers: Vec<_> = (0..16)
            .map(|_| {
                let dir = dir.clone();
                thread::spawn(move || Identity::load_or_make(&dir).unwrap())
            })
            .collect();
        let mut made = makers.into_iter().map(|maker| maker.join().unwrap());
        let first = made.next().unwrap();
        assert!(made.all(|it| it.certificate_sha256() == first.certificate_sha256()));
    }

    #[test]
    fn a_key_that_others_could_read_is_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        Identity::load_or_make(dir.path()).unwrap();
        let key = dir.path().join(KEY);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Identity::load_or_make(dir.path()).unwrap_err().to_string();
        let expected = format!(
            "{0} has mode 640, and others could read or replace it; try chmod 600 {0}",
            key.display()
        );
        assert_eq!(error, expected);
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = Identity::load_or_make(dir.path()).unwrap_err().to_string();
        assert!(
            error.contains("others could change it; try chmod 755"),
            "{error}"
        );
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = Identity::load_or_make(one.path()).unwrap();
        Identity::load_or_make(other.path()).unwrap();
        let (key, certificate) = Identity::files(one.path());
        let loaded = Identity::from_files(&certificate, &key).unwrap();
        assert_eq!(loaded.fingerprint(), first.fingerprint());
        let foreign = other.path().join(CERTIFICATE);
        let error = Identity::from_files(&foreign, &key)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("the certificate is for another key"),
            "{error}"
        );
        let error = Identity::from_files(&key, &key).unwrap_err().to_string();
        assert!(error.ends_with("holds no certificate as PEM"), "{error}");
        let error = Identity::from_files(&certificate, &certificate).unwrap_err();
        assert!(error.to_string().contains("holds no secret key"), "{error}");
        let endless = Identity::from_files(Path::new("/dev/zero"), &key).unwrap_err();
        assert!(endless.to_string().contains("is larger than"), "{endless}");
        fs::write(&key, "rubbish").unwrap();
        assert!(Identity::load_or_make(one.path()).is_err());
        assert_eq!(
            fs::read_to_string(&key).unwrap(),
            "rubbish",
            "nothing is overwritten"
        );
    }

    /// Other programs read both files, count the same fingerprints and find a use for either end.
    #[test]
    fn openssl_reads_it_and_counts_the_same() {
        let Some(openssl) = sockeye_testkit::tool("openssl") else {
            return;
        };
        let dir = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_make(dir.path()).unwrap();
        let run = |script: &str| {
            let output = Command::new("sh")
                .args(["-c", script])
                .env("openssl", &openssl)
                .current_dir(dir.path())
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let complaint = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{script}: {text}{complaint}");
            text
        };
        let pin = "$openssl pkey -in key.pem -pubout -outform DER | $openssl dgst -sha256 -binary | $openssl base64";
        assert_eq!(
            format!("sha256//{}", run(pin).trim()),
            identity.fingerprint().curl()
        );
        let shown = run("$openssl x509 -in cert.pem -noout -fingerprint -sha256");
        let (_, hex) = shown.trim().split_once('=').unwrap();
        assert_eq!(
            hex.replace(':', "").to_lowercase(),
            identity.certificate_sha256()
        );
        let text = run("$openssl x509 -in cert.pem -noout -text -purpose");
        for part in [
            "Not After : Dec 31 23:59:59 9999 GMT",
            "DNS:sockeye, DNS:localhost, IP Address:127.0.0.1",
            "CN = sockeye",
            "SSL client : Yes",
            "SSL server : Yes",
            "CA:FALSE",
        ] {
            let text = text.replace("CN=", "CN = ");
            assert!(text.contains(part), "no {part} in {text}");
        }
        let verified = run("$openssl verify -CAfile cert.pem -verify_hostname localhost cert.pem");
        assert!(verified.contains("OK"), "{verified}");
    }
}
