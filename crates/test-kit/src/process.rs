//! Child processes that cannot outlive us.
//!
//! A child asks the kernel to be ended when its parent thread ends (`setpriv --pdeathsig`), and is
//! started from one thread that lives as long as the process, because the kernel means the thread,
//! not the process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

type Job = (Command, mpsc::Sender<std::io::Result<std::process::Child>>);

fn spawner() -> &'static mpsc::Sender<Job> {
    static SPAWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    SPAWNER.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, answer) in receiver {
                let _ = answer.send(command.spawn());
            }
        });
        sender
    })
}

/// What to run.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    user: Option<String>,
    folder: Option<PathBuf>,
    death_signal: &'static str,
}

impl Program {
    /// Runs `path` with no arguments yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            user: None,
            folder: None,
            death_signal: "KILL",
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: Into<String>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// Runs as another user (only root may ask for that).
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.to_owned());
        self
    }

    /// Ends by this signal, instead of `KILL`, when the process that started it ends: for a program
    /// that has to tidy up.
    #[must_use]
    pub fn death_signal(mut self, name: &'static str) -> Self {
        self.death_signal = name;
        self
    }

    /// Runs in `folder`.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.arg(format!("--pdeathsig={}", self.death_signal));
        if let Some(user) = &self.user {
            command
                .arg(format!("--reuid={user}"))
                .arg(format!("--regid={user}"))
                .arg("--clear-groups");
        }
        command.arg("--").arg(&self.path).args(&self.arguments);
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command
    }

    /// Runs to the end and returns standard output.
    ///
    /// # Errors
    /// When the program cannot be started or exits with another status than 0; the error holds
    /// what it printed.
    pub async fn output(&self) -> anyhow::Result<String> {
        let mut command = self.command();
        let path = self.path.clone();
        let output = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output())
            .await?
            .with_context(|| format!("cannot run `{}`", path.display()))?;
        if !output.status.success() {
            bail!(
                "`{}` {} failed ({}): {}{}",
                self.path.display(),
                self.arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts the program in the background; both outputs go to `log`.
    ///
    /// # Errors
    /// When the log cannot be made or the program not be started.
    pub fn start(&self, log: &Path) -> anyhow::Result<Child> {
        let file = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot open the log `{}`", log.display()))?;
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file);
        let (sender, receiver) = mpsc::channel();
        spawner()
            .send((command, sender))
            .context("the process starter has ended")?;
        let child = receiver
            .recv()
            .context("the process starter has ended")?
            .with_context(|| format!("cannot start `{}`", self.path.display()))?;
        Ok(Child {
            name: self.path.display().to_string(),
            process: child,
            log: log.to_path_buf(),
        })
    }
}

/// A running program; it is killed when this value is dropped.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: std::process::Child,
    log: PathBuf,
}

impl Child {
    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where its output goes.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last lines of its output.
    #[must_use]
    pub fn tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines
            .get(lines.len().saturating_sub(20)..)
            .unwrap_or_default()
            .join("\n")
    }

    /// Whether it has ended.
    ///
    /// # Errors
    /// When the operating system cannot say.
    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.process.try_wait()?)
    }

    /// Fails with the end of its log when it has ended.
    ///
    /// # Errors
    /// When it has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.ended()? {
            bail!(
                "`{}` ended ({status}); the end of its log:\n{}",
                self.name,
                self.tail()
            );
        }
        Ok(())
    }

    /// Ends it at once (SIGKILL) and waits for its end.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Sends a signal by name (`TERM`, `INT`, `STOP`, `CONT`).
    ///
    /// # Errors
    /// When `kill` fails.
    pub async fn signal(&self, name: &str) -> anyhow::Result<()> {
        Program::new("kill")
            .arg(format!("-{name}"))
            .arg(self.id().to_string())
            .output()
            .await?;
        Ok(())
    }

    /// Sends a signal by name and waits at most `limit` for its end; then kills it.
    #[expect(
        clippy::disallowed_methods,
        reason = "values are dropped without a runtime to wait with"
    )]
    pub fn end_by(&mut self, name: &str, limit: Duration) {
        // Once it was waited for, its number may be another's.
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        let signal = format!("-{name}");
        let _ = Command::new("kill")
            .arg(signal)
            .arg(self.id().to_string())
            .status();
        let begun = Instant::now();
        while begun.elapsed() < limit {
            match self.process.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        self.kill();
    }

    /// Asks it to end (SIGTERM) and waits at most `limit`; then kills it.
    ///
    /// # Errors
    /// When it had to be killed.
    pub async fn stop(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        self.signal("TERM").await?;
        let polled = tokio::time::timeout(limit, async {
            loop {
                if let Some(status) = self.ended()? {
                    return anyhow::Ok(status);
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        if let Ok(status) = polled {
            return status;
        }
        let tail = self.tail();
        self.kill();
        bail!(
            "`{}` did not end within {limit:?}; the end of its log:\n{tail}",
            self.name
        )
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until `ready` says so, at most `limit`, watching that `child` lives.
///
/// # Errors
/// When the child ends first or the time is over; the error holds the end of the child's log.
pub async fn wait_until<F, Fut>(
    child: &mut Child,
    limit: Duration,
    mut ready: F,
) -> anyhow::Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = bool>,
{
    let begun = tokio::time::Instant::now();
    loop {
        child.check()?;
        if ready().await {
            return Ok(());
        }
        if begun.elapsed() > limit {
            bail!(
                "`{}` was not ready within {limit:?}; the end of its log:\n{}",
                child.name,
                child.tail()
            );
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}
