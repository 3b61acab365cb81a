//! What an operator sets of the archive, and the object store that it means.

use crate::credentials::{Credentials, environment};
use crate::error::{Error, ErrorKind, Result};
use logstrata_engine::Keep;
use logstrata_engine::crypt::Keyring;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long one request is tried again before the pass fails; the next pass begins later.
const RETRY_FOR: Duration = Duration::from_secs(30);
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long nothing may come or go.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// Classes of S3 whose objects have to be thawed before they can be read.
const CLASSES_FROZEN: [&str; 2] = ["GLACIER", "DEEP_ARCHIVE"];
/// The least part of a multipart upload that all stores take.
pub const PART_BYTES_MIN: u64 = 5 << 20;

/// What an operator sets of the archive.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, `file:///dir`; in tests
    /// `memory:///prefix`.
    pub url: String,
    /// Where the store is, if that is not its vendor's own place.
    pub endpoint: Option<String>,
    /// The region of the bucket.
    pub region: Option<String>,
    /// Whether the bucket stands in the path of a URL, not in its host; as a rule with an endpoint.
    pub path_style: Option<bool>,
    /// S3: the storage class of the objects of files; those of the catalog have the bucket's.
    pub storage_class: Option<String>,
    /// S3: `AES256`, `aws:kms` or `aws:kms:<key id>`.
    pub sse: Option<String>,
    /// A file with credentials: that of the AWS command line, or a key of a service account (GCS).
    pub credentials_file: Option<PathBuf>,
    /// Bytes a second that may be sent.
    pub bandwidth: Option<u64>,
    /// The bytes of a part of an upload; larger files are sent in several.
    pub part_bytes: u64,
    /// A sealed file is copied once it is as old as this.
    pub copy_after: Duration,
    /// How long at least a file stays on the disk once it was copied, unless its class says so; `None`
    /// is for ever.
    pub local_keep: Option<Duration>,
    /// Bytes on the disk at most of what was fetched for queries; without any nothing is kept.
    pub cache_bytes: u64,
    /// Whether other servers may use the store: it has to keep the condition of a PUT then.
    pub shared: bool,
    /// Whether each object is read again and compared once it is written.
    pub read_back: bool,
    /// What the catalog is encrypted under, if it is: the keys of the store.
    pub keys: Option<Arc<Keyring>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            url: String::new(),
            endpoint: None,
            region: None,
            path_style: None,
            storage_class: None,
            sse: None,
            credentials_file: None,
            bandwidth: None,
            part_bytes: 8 << 20,
            copy_after: Duration::from_secs(600),
            local_keep: None,
            cache_bytes: 1 << 30,
            shared: true,
            read_back: true,
            keys: None,
        }
    }
}

/// An object store and the place in it.
pub(crate) struct Place {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
    /// For messages: never with credentials.
    pub(crate) shown: String,
    /// Whether objects can be given a storage class.
    pub(crate) has_classes: bool,
}

impl Settings {
    /// Looks whether the settings can mean a store; nothing is connected to.
    ///
    /// # Errors
    /// `Invalid`, with what is wrong.
    pub fn check(&self) -> Result<()> {
        let url = self.parsed()?;
        // Before anything is shown of it.
        if has_userinfo(&url) {
            return Err(invalid("archive.url must not hold credentials: use the environment"));
        }
        if !["s3", "gs", "az", "file", "memory"].contains(&url.scheme()) {
            return Err(invalid(format!(
                "archive.url {:?}: the scheme has to be s3, gs, az or file",
                self.url
            )));
        }
        if ["s3", "gs", "az"].contains(&url.scheme()) && url.host_str().is_none_or(str::is_empty) {
            return Err(invalid(format!("archive.url {:?} names no bucket", self.url)));
        }
        if url.scheme() != "s3" && (self.storage_class.is_some() || self.sse.is_some()) {
            return Err(invalid("archive.storage_class and archive.sse are for s3:// only"));
        }
        if let Some(endpoint) = &self.endpoint {
            check_endpoint(endpoint)?;
        }
        if self.credentials_file.is_some() && !["s3", "gs"].contains(&url.scheme()) {
            return Err(invalid(
                "archive.credentials_file is for s3:// and gs:// only; Azure's are in the environment",
            ));
        }
        let class = self.storage_class.as_deref().unwrap_or_default();
        if CLASSES_FROZEN.iter().any(|frozen| class.eq_ignore_ascii_case(frozen)) {
            return Err(invalid(format!(
                "archive.storage_class {class}: its objects can't be read before they are thawed, so \
                 nothing could be compared or restored; GLACIER_IR can be read at once"
            )));
        }
        if self.part_bytes < PART_BYTES_MIN {
            return Err(invalid(format!("archive.part_bytes is at least {PART_BYTES_MIN} bytes")));
        }
        if self.local_keep.is_some_and(|keep| Keep::new(keep).is_none()) {
            return Err(invalid("archive.local_keep is at least a day, or forever"));
        }
        if self.bandwidth == Some(0) {
            return Err(invalid("archive.bandwidth of 0 would never copy anything"));
        }
        Ok(())
    }

    fn parsed(&self) -> Result<Url> {
        Url::parse(&self.url).map_err(|error| {
            let url = without_userinfo(&self.url);
            invalid(format!("archive.url {url:?} is no URL ({error}); s3://bucket/prefix is one"))
        })
    }

    /// The store that is meant; nothing is connected to yet.
    pub(crate) fn place(&self) -> Result<Place> {
        self.check()?;
        let url = self.parsed()?;
        let failed = |error| Error::of_store("set up", &self.url, error);
        let bucket = url.host_str().unwrap_or_default();
        let (store, prefix): (Arc<dyn ObjectStore>, _) = match url.scheme() {
            "s3" => (Arc::new(self.s3(bucket)?.build().map_err(failed)?), url.path()),
            "gs" => {
                let mut builder = GoogleCloudStorageBuilder::from_env()
                    .with_bucket_name(bucket)
                    .with_retry(retries())
                    .with_client_options(self.client());
                if let Some(endpoint) = &self.endpoint {
                    builder = builder.with_base_url(endpoint);
                }
                if let Some(file) = &self.credentials_file {
                    builder = builder.with_service_account_path(file.to_string_lossy());
                }
                (Arc::new(builder.build().map_err(failed)?), url.path())
            }
            "az" => {
                let mut builder = MicrosoftAzureBuilder::from_env()
                    .with_container_name(bucket)
                    .with_retry(retries())
                    .with_client_options(self.client());
                if let Some(endpoint) = &self.endpoint {
                    builder = builder.with_endpoint(endpoint.clone());
                }
                (Arc::new(builder.build().map_err(failed)?), url.path())
            }
            "file" => (Arc::new(local(&url)?), ""),
            _ => (Arc::new(InMemory::new()), url.path()),
        };
        let prefix = Path::from_url_path(prefix)
            .map_err(|error| invalid(format!("archive.url {:?}: {error}", self.url)))?;
        let has_classes = url.scheme() == "s3";
        let at = self.endpoint.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        Ok(Place { store, prefix, shown: format!("{}{at}", self.url), has_classes })
    }

    fn s3(&self, bucket: &str) -> Result<AmazonS3Builder> {
        let given = self.credentials_file.as_deref().map(Credentials::read).transpose()?;
        let mut builder = AmazonS3Builder::new();
        for (key, value) in environment(given.is_some()) {
            builder = builder.with_config(key, value);
        }
        builder = builder
            .with_bucket_name(bucket)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(retries())
            .with_client_options(self.client());
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(is_http(endpoint));
        }
        if !self.read_back {
            // The store compares instead.
            builder = builder.with_checksum_algorithm(Checksum::SHA256);
        }
        if let Some(path_style) = self.path_style {
            builder = builder.with_virtual_hosted_style_request(!path_style);
        }
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let Some(Credentials { id, secret, token }) = given {
            builder = builder.with_access_key_id(id).with_secret_access_key(secret);
            if let Some(token) = token {
                builder = builder.with_token(token);
            }
        }
        let key = |name: &str| name.parse::<AmazonS3ConfigKey>().expect("a key of the library");
        builder = match self.sse.as_deref() {
            None => builder,
            Some("AES256") => builder.with_config(key("aws_server_side_encryption"), "AES256"),
            Some("aws:kms") => builder.with_config(key("aws_server_side_encryption"), "aws:kms"),
            Some(other) => match other.strip_prefix("aws:kms:") {
                Some(id) if !id.is_empty() => builder.with_sse_kms_encryption(id),
                _ => {
                    return Err(invalid(format!(
                        "archive.sse {other:?}: AES256, aws:kms or aws:kms:<key id>"
                    )));
                }
            },
        };
        Ok(builder)
    }

    fn client(&self) -> ClientOptions {
        let allow_http = self.endpoint.as_deref().is_some_and(is_http);
        ClientOptions::new()
            .with_allow_http(allow_http)
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_read_timeout(READ_TIMEOUT)
            // A part over a thin line may take long; that nothing moves is what must not.
            .with_timeout_disabled()
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message)
}

fn has_userinfo(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// What may be shown of a URL that can't be read.
fn without_userinfo(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        (None, Some((_, rest))) => format!("…@{rest}"),
        (_, None) => url.to_owned(),
    }
}

fn check_endpoint(endpoint: &str) -> Result<()> {
    let url = Url::parse(endpoint).map_err(|error| {
        let endpoint = without_userinfo(endpoint);
        let example = "http://127.0.0.1:8333 is one";
        invalid(format!("archive.endpoint {endpoint:?} is no URL ({error}); {example}"))
    })?;
    if has_userinfo(&url) {
        return Err(invalid("archive.endpoint must not hold credentials: use the environment"));
    }
    Ok(())
}

fn is_http(endpoint: &str) -> bool {
    endpoint.starts_with("http://")
}

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 8,
        retry_timeout: RETRY_FOR,
    }
}

fn local(url: &Url) -> Result<LocalFileSystem> {
    let dir = url
        .to_file_path()
        .map_err(|()| invalid(format!("archive.url {url}: file:///an/absolute/directory")))?;
    LocalFileSystem::new_with_prefix(&dir).map(|store| store.with_fsync(true)).map_err(|error| {
        let dir = dir.display();
        let kind = ErrorKind::Missing;
        Error::new(
            kind,
            format!("the archive's directory {dir} can't be used: create it ({error})"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str) -> Settings {
        Settings { url: url.into(), ..Settings::default() }
    }

    #[test]
    fn what_can_be_a_store_is_told_from_what_cannot() {
        for good in ["s3://logs", "s3://logs/a/b", "gs://b/p", "az://c/p", "file:///tmp/x"] {
            settings(good).check().unwrap_or_else(|error| panic!("{good}: {error}"));
        }
        for (bad, why) in [
            ("", "no URL"),
            ("logs", "no URL"),
            ("ftp://logs/x", "scheme"),
            ("s3:///prefix", "no bucket"),
            ("s3://key:secret@logs/x", "credentials"),
        ] {
            let error = settings(bad).check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{bad}");
            assert!(error.to_string().contains(why), "{bad}: {error}");
        }
        for class in ["GLACIER", "deep_archive"] {
            let cold = Settings { storage_class: Some(class.into()), ..settings("s3://logs") };
            assert!(cold.check().unwrap_err().to_string().contains("thawed"), "{class}");
        }
        for class in ["STANDARD_IA", "GLACIER_IR"] {
            Settings { storage_class: Some(class.into()), ..settings("s3://logs") }
                .check()
                .unwrap();
        }
        for url in ["az://c/p", "file:///tmp", "memory:///"] {
            let file = Some("key".into());
            let error = Settings { credentials_file: file, ..settings(url) }.check().unwrap_err();
            assert!(error.to_string().contains("credentials_file"), "{url}: {error}");
        }
        let error = Settings { sse: Some("AES256".into()), ..settings("file:///tmp") };
        assert!(error.check().is_err());
        let error = Settings { sse: Some("rot13".into()), ..settings("s3://logs") };
        assert!(error.place().err().expect("no such encryption").to_string().contains("rot13"));
        let error = Settings { part_bytes: 1 << 20, ..settings("s3://logs") };
        assert!(error.check().is_err());
    }
    #[test]
    fn credentials_in_urls_are_refused_and_not_shown() {
        for url in ["ftp://id:hush@logs/x", "s3://id:hush@logs", "s3://id:hush@logs:port/x"] {
            let error = settings(url).check().unwrap_err().to_string();
            assert!(!error.contains("hush") && !error.contains("id:"), "{error}");
        }
        for endpoint in ["http://id:hush@there", "http://hush@there", "id:hush@there", "there:port"]
        {
            let at = Settings { endpoint: Some(endpoint.into()), ..settings("s3://logs") };
            let Err(error) = at.check() else { continue };
            assert!(!error.to_string().contains("hush"), "{error}");
            assert!(endpoint.contains("hush"), "{endpoint}");
        }
        let at =
            Settings { endpoint: Some("http://id:hush@there".into()), ..settings("s3://logs") };
        assert!(at.check().unwrap_err().to_string().contains("must not hold"));
    }
}
