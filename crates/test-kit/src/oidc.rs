//! A real OpenID provider over TLS, and people who log in to it as a browser would.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rand::distr::{Alphanumeric, SampleString as _};
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

use crate::pki::{self, Pki};
use crate::process::{Child, Program, wait_until};
use crate::{port, tools};

/// The audience of the access tokens.
pub const AUDIENCE: &str = "urn:cloister:api";
/// The public client of the command line tool (device flow).
pub const CLI_CLIENT: &str = "cloister-cli";
/// The confidential client of the gateway (authorization code).
pub const GATEWAY_CLIENT: &str = "cloister-gateway";
/// A machine of desk `rates` (client credentials).
pub const MACHINE_CLIENT: &str = "rates-settlement";

/// Somebody who can log in.
#[derive(Debug, Clone, Serialize)]
pub struct Person {
    /// Login name; also the token's subject.
    pub login: String,
    /// Password.
    pub password: String,
    /// Full name.
    pub name: String,
    /// Values of the `groups` claim.
    pub groups: Vec<String>,
}

impl Person {
    /// A person with a random password.
    #[must_use]
    pub fn new(login: &str, name: &str, groups: &[&str]) -> Self {
        Self {
            login: login.to_owned(),
            password: Alphanumeric.sample_string(&mut rand::rng(), 16),
            name: name.to_owned(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        }
    }
}

/// How to run the provider.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who can log in.
    pub people: Vec<Person>,
    /// Where the gateway's browser login comes back to.
    pub redirect_uri: String,
    /// Lifetime of access tokens in seconds.
    pub access_token_seconds: u64,
}

/// A running provider; it ends when this value is dropped.
#[derive(Debug)]
pub struct Provider {
    folder: PathBuf,
    port: u16,
    secret: String,
    machine_secret: String,
    child: Option<Child>,
    ca: reqwest::Certificate,
}

impl Provider {
    /// Starts the provider on a free port, with its files in `folder`.
    ///
    /// # Errors
    /// When node or its packages are missing or it does not start.
    pub async fn start(folder: &Path, pki: &Pki, options: &Options) -> anyhow::Result<Self> {
        Self::start_on(port::free()?, folder, pki, options).await
    }

    /// Starts the provider on a given port.
    ///
    /// # Errors
    /// As [`Provider::start`].
    pub async fn start_on(
        port: u16,
        folder: &Path,
        pki: &Pki,
        options: &Options,
    ) -> anyhow::Result<Self> {
        pki::install_crypto();
        std::fs::create_dir_all(folder)?;
        let identity = pki.issue("oidc-provider")?;
        let random = || Alphanumeric.sample_string(&mut rand::rng(), 40);
        let (secret, machine_secret) = (random(), random());
        let config = json!({
            "issuer": format!("https://localhost:{port}"),
            "port": port,
            "certificate_file": identity.certificate_file,
            "private_key_file": identity.private_key_file,
            "audience": AUDIENCE,
            "keys_file": folder.join("keys.json"),
            "cookie_key": random(),
            "access_token_seconds": options.access_token_seconds,
            "people": options.people,
            "clients": clients(&options.redirect_uri, &secret, &machine_secret),
        });
        pki::write_secret(&folder.join("provider.json"), &config.to_string())?;
        let ca = reqwest::Certificate::from_pem(&std::fs::read(pki.ca_file())?)?;
        let mut provider = Self {
            folder: folder.to_path_buf(),
            port,
            secret,
            machine_secret,
            child: None,
            ca,
        };
        provider.resume().await?;
        Ok(provider)
    }

    /// Starts the provider again after [`Provider::stop`], with the same keys.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn resume(&mut self) -> anyhow::Result<()> {
        let script = tools::checkout().join("tests/oidc/provider.mjs");
        let program = Program::new(tools::node_program("node")?)
            .arg(script.display().to_string())
            .arg(self.folder.join("provider.json").display().to_string());
        let mut child = program.start(&self.folder.join("provider.log"))?;
        let client = self.browser()?;
        let url = format!("{}/.well-known/openid-configuration", self.issuer());
        wait_until(&mut child, Duration::from_mins(1), || async {
            client
                .get(&url)
                .send()
                .await
                .is_ok_and(|answer| answer.status().is_success())
        })
        .await?;
        self.child = Some(child);
        Ok(())
    }

    /// Ends the provider; its keys stay for [`Provider::resume`].
    pub fn stop(&mut self) {
        self.child = None;
    }

    /// Forgets the signing keys: the next start makes new ones.
    ///
    /// # Errors
    /// When the key file cannot be removed.
    pub fn forget_keys(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.folder.join("keys.json"))?)
    }

    /// The issuer's identifier.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The gateway client's secret.
    #[must_use]
    pub fn gateway_secret(&self) -> &str {
        &self.secret
    }

    /// An HTTP client with a cookie jar of its own that trusts our authority and does not follow
    /// redirects by itself.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn browser(&self) -> anyhow::Result<reqwest::Client> {
        // A connection kept from before a restart would fail the first request after it.
        Ok(self.http().pool_max_idle_per_host(0).build()?)
    }

    /// An HTTP client that trusts the stack's authority and keeps its connections, as applications
    /// do.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn application(&self) -> anyhow::Result<reqwest::Client> {
        Ok(self.http().build()?)
    }

    fn http(&self) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([self.ca.clone()])
            .cookie_store(true)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(30))
    }

    /// An access token of the machine client, by client credentials.
    ///
    /// # Errors
    /// When the provider refuses.
    pub async fn machine_token(&self) -> anyhow::Result<String> {
        let answer: Value = self
            .browser()?
            .post(format!("{}/token", self.issuer()))
            .basic_auth(MACHINE_CLIENT, Some(&self.machine_secret))
            .form(&[("grant_type", "client_credentials"), ("scope", "cloister")])
            .send()
            .await?
            .json()
            .await?;
        let token = answer.get("access_token").and_then(Value::as_str);
        Ok(token
            .with_context(|| format!("the provider gave no token: {answer}"))?
            .to_owned())
    }

    /// Logs `person` in by the device flow, approving it in a browser, and returns the access
    /// token.
    ///
    /// # Errors
    /// When the provider refuses a step.
    pub async fn token(&self, person: &Person) -> anyhow::Result<String> {
        let browser = self.browser()?;
        let form = [
            ("client_id", CLI_CLIENT),
            ("scope", "openid cloister"),
            ("resource", AUDIENCE),
        ];
        let device: Value = browser
            .post(format!("{}/device/auth", self.issuer()))
            .form(&form)
            .send()
            .await?
            .json()
            .await?;
        let text = |name: &str| {
            let value = device.get(name).and_then(Value::as_str).map(str::to_owned);
            value.with_context(|| format!("no `{name}` in the provider's answer: {device}"))
        };
        self.approve_device(person, &text("verification_uri_complete")?)
            .await?;
        let code = text("device_code")?;
        let form = [
            ("client_id", CLI_CLIENT),
            ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
            ("device_code", &code),
            ("resource", AUDIENCE),
        ];
        let answer = browser
            .post(format!("{}/token", self.issuer()))
            .form(&form)
            .send()
            .await?;
        let answer: Value = answer.json().await?;
        let token = answer.get("access_token").and_then(Value::as_str);
        Ok(token
            .with_context(|| format!("the provider gave no token: {answer}"))?
            .to_owned())
    }

    /// Opens a device flow's verification page as `person`, logs in and confirms.
    ///
    /// # Errors
    /// When the provider refuses a step.
    pub async fn approve_device(&self, person: &Person, page: &str) -> anyhow::Result<()> {
        let last = walk(&self.browser()?, person, page, |_| false).await?;
        if !last.contains("Signed in") {
            bail!("the device was not confirmed; the last page was: {last}");
        }
        Ok(())
    }

    /// Walks from `start` through the provider's pages as `person` until a redirect leads to an
    /// address that starts with `until`, and returns that address.
    ///
    /// # Errors
    /// When the provider refuses a step.
    pub async fn walk_to(
        &self,
        browser: &reqwest::Client,
        person: &Person,
        start: &str,
        until: &str,
    ) -> anyhow::Result<String> {
        let last = walk(browser, person, start, |url| {
            url.as_str().starts_with(until)
        })
        .await?;
        if !last.starts_with(until) {
            bail!("the login did not come back; the last page was: {last}");
        }
        Ok(last)
    }
}

fn clients(redirect_uri: &str, secret: &str, machine_secret: &str) -> Value {
    json!([
        {
            "client_id": GATEWAY_CLIENT,
            "client_secret": secret,
            "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code"],
            "response_types": ["code"],
        },
        {
            "client_id": CLI_CLIENT,
            "token_endpoint_auth_method": "none",
            "application_type": "native",
            "redirect_uris": [],
            "response_types": [],
            "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        },
        {
            "client_id": MACHINE_CLIENT,
            "client_secret": machine_secret,
            "redirect_uris": [],
            "response_types": [],
            "grant_types": ["client_credentials"],
            "groups": ["trader", "desk-rates"],
        },
    ])
}

/// Follows redirects and submits forms; ends at a page without a form, or at an address that
/// `stop` names. Returns the page, or the address.
async fn walk(
    browser: &reqwest::Client,
    person: &Person,
    start: &str,
    stop: impl Fn(&Url) -> bool,
) -> anyhow::Result<String> {
    let mut url = Url::parse(start)?;
    let mut form: Option<Vec<(String, String)>> = None;
    for _ in 0..20 {
        let request = match form.take() {
            Some(fields) => browser.post(url.clone()).form(&fields),
            None => browser.get(url.clone()),
        };
        let answer = request.send().await?;
        if answer.status().is_redirection() {
            let target = answer
                .headers()
                .get("location")
                .context("a redirect without a target")?;
            url = url.join(target.to_str()?)?;
            if stop(&url) {
                return Ok(url.to_string());
            }
            continue;
        }
        let status = answer.status();
        let page = answer.text().await?;
        if !status.is_success() {
            bail!("`{url}` answered {status}: {page}");
        }
        match read_form(&page) {
            None => return Ok(page),
            Some((action, mut fields)) => {
                url = url.join(&action)?;
                for (name, value) in &mut fields {
                    match name.as_str() {
                        "login" => value.clone_from(&person.login),
                        "password" => value.clone_from(&person.password),
                        _ => {}
                    }
                }
                form = Some(fields);
            }
        }
    }
    bail!("the provider's pages go on for ever")
}

/// The first form of a page: its action and its fields. Enough for the provider's own pages.
fn read_form(page: &str) -> Option<(String, Vec<(String, String)>)> {
    let form = page.split("<form").nth(1)?.split("</form>").next()?;
    let action = attribute(form, "action")?;
    let fields = form
        .split("<input")
        .skip(1)
        .filter_map(|input| {
            let input = input.split('>').next()?;
            Some((
                attribute(input, "name")?,
                attribute(input, "value").unwrap_or_default(),
            ))
        })
        .collect();
    Some((action, fields))
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let rest = tag.split(&format!("{name}=\"")).nth(1)?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}
