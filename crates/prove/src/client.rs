//! Starts the engine's process, or the wrapper's, and asks it. Blocking: call it from a thread that
//! may wait.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    time::Duration,
};

use crate::protocol::{Answer, Failure, MAX_LINE_BYTES, Outcome, Reply, Request, Usage, Work};

/// Takes each line that the engine writes for people.
pub type OnLine = Box<dyn FnMut(&str) + Send>;

/// How to start an engine.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program.
    pub program: PathBuf,
    /// Folder for its keys, made when it is not there; the wrapper has none.
    pub key_cache: Option<PathBuf>,
    /// Threads that it proves with; as many as there are processors when not given.
    pub threads: Option<u16>,
    /// Memory that it may take in bytes; it dies when it needs more.
    pub memory_limit_bytes: Option<u64>,
    /// Another guest program than the one that is built in. What it proves is not trusted.
    pub elf: Option<PathBuf>,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The process could not be started.
    #[error("the proof engine `{}` does not start: {source}", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The process ended.
    #[error("the proof engine ended: {}", told(*.0))]
    Died(Option<ExitStatus>),
    /// No answer within this time; the process was killed.
    #[error("the proof engine gave no answer within {} s and was killed", .0.as_secs())]
    Timeout(Duration),
    /// The answer cannot be understood; the process was killed.
    #[error("the proof engine's answer cannot be understood: {0}")]
    Protocol(String),
    /// The engine's own failure.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Says how a process ended.
fn told(status: Option<ExitStatus>) -> String {
    match status.map(|status| (status.signal(), status.code())) {
        // The kernel kills with 9 when memory runs out; 6 is what an allocation that fails ends in.
        Some((Some(signal @ (6 | 9)), _)) => {
            format!("signal {signal}, probably out of memory; give workers more or run fewer")
        }
        Some((Some(signal), _)) => format!("signal {signal}"),
        Some((None, Some(code))) => format!("exit status {code}"),
        Some((None, None)) | None => "no status".to_owned(),
    }
}

/// Ends an engine from any thread; what it is at fails with [`ClientError::Died`].
#[derive(Clone, Debug)]
pub struct Killer(Arc<Mutex<Child>>);

impl Killer {
    /// Ends the process at once and says how it ended; one that has ended keeps its own status.
    pub fn kill(&self) -> Option<ExitStatus> {
        let mut child = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // An error says that it has ended already.
        let _ = child.kill();
        child.wait().ok()
    }
}

/// A running engine; dropping it ends the process.
#[derive(Debug)]
pub struct Engine {
    child: Killer,
    requests: ChildStdin,
    replies: Receiver<Result<String, String>>,
    last_id: u64,
}

impl Engine {
    /// Starts an engine. `on_line` gets what it writes for people.
    ///
    /// # Errors
    /// [`ClientError::Start`] when the program does not run.
    pub fn start(options: &Options, on_line: OnLine) -> Result<Self, ClientError> {
        Self::spawn(options, on_line).map_err(|source| ClientError::Start {
            program: options.program.clone(),
            source,
        })
    }

    fn spawn(options: &Options, mut on_line: OnLine) -> io::Result<Self> {
        let mut command = Command::new(&options.program);
        command.arg("serve");
        if let Some(folder) = &options.key_cache {
            command.arg("--key-cache").arg(folder);
        }
        if let Some(bytes) = options.memory_limit_bytes {
            command.arg("--memory-limit").arg(bytes.to_string());
        }
        if let Some(threads) = options.threads {
            command.arg("--threads").arg(threads.to_string());
        }
        if let Some(elf) = &options.elf {
            command.arg("--elf").arg(elf);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let gone = || io::Error::other("a pipe of the process is missing");
        let requests = child.stdin.take().ok_or_else(gone)?;
        let output = child.stdout.take().ok_or_else(gone)?;
        let words = child.stderr.take().ok_or_else(gone)?;
        let child = Killer(Arc::new(Mutex::new(child)));
        let (sender, replies) = sync_channel(1);
        thread("engine replies", move || send_lines(output, &sender))?;
        thread("engine messages", move || {
            read_lines(words, |line| {
                if let Ok(line) = line {
                    on_line(&line);
                }
                true
            });
        })?;
        Ok(Self {
            child,
            requests,
            replies,
            last_id: 0,
        })
    }

    /// A handle that ends it.
    #[must_use]
    pub fn killer(&self) -> Killer {
        self.child.clone()
    }

    /// Asks, and waits for the answer. After any error but [`ClientError::Failed`] the process has
    /// ended.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn call(&mut self, work: Work, limit: Duration) -> Result<(Answer, Usage), ClientError> {
        self.last_id = self.last_id.saturating_add(1);
        let request = Request {
            id: self.last_id,
            work,
        };
        let mut line = serde_json::to_vec(&request)
            .map_err(|error| ClientError::Protocol(error.to_string()))?;
        line.push(b'\n');
        if self.requests.write_all(&line).is_err() || self.requests.flush().is_err() {
            return Err(self.died());
        }
        let line = match self.replies.recv_timeout(limit) {
            Ok(Ok(line)) => line,
            Ok(Err(reason)) => return Err(self.misunderstood(reason)),
            Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
            Err(RecvTimeoutError::Timeout) => {
                self.child.kill();
                return Err(ClientError::Timeout(limit));
            }
        };
        let reply: Reply = match serde_json::from_str(&line) {
            Ok(reply) => reply,
            Err(error) => return Err(self.misunderstood(error.to_string())),
        };
        if reply.id != self.last_id {
            let (got, expected) = (reply.id, self.last_id);
            return Err(self.misunderstood(format!("reply to {got}, expected {expected}")));
        }
        match reply.outcome {
            Outcome::Done(answer) => Ok((answer, reply.usage)),
            Outcome::Failed(failure) => Err(failure.into()),
        }
    }

    fn died(&self) -> ClientError {
        ClientError::Died(self.child.kill())
    }

    fn misunderstood(&self, reason: String) -> ClientError {
        self.child.kill();
        ClientError::Protocol(reason)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.child.kill();
    }
}

/// Starts a thread that ends with the process, since its pipe does.
fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)?;
    Ok(())
}

/// Hands replies on until the process ends, nobody listens, or a line is no reply.
fn send_lines(output: impl Read, lines: &SyncSender<Result<String, String>>) {
    read_lines(output, |line| {
        let broken = line.is_err();
        lines.send(line).is_ok() && !broken
    });
}

/// Reads lines of at most [`MAX_LINE_BYTES`] until the stream ends or `take` has enough.
fn read_lines(stream: impl Read, mut take: impl FnMut(Result<String, String>) -> bool) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut line = Vec::new();
        let read = (&mut stream)
            .take(MAX_LINE_BYTES as u64)
            .read_until(b'\n', &mut line);
        let line = match read {
            // The end of a process that died in the middle of a line is its death.
            Ok(length) if length < MAX_LINE_BYTES && !line.ends_with(b"\n") => return,
            Ok(_) if line.ends_with(b"\n") => {
                line.pop();
                String::from_utf8(line).map_err(|_| "not text".to_owned())
            }
            Ok(_) => Err(format!("a line longer than {MAX_LINE_BYTES} bytes")),
            Err(error) => Err(error.to_string()),
        };
        if !take(line) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// An engine that a shell script plays, to force what the real one never does.
    fn played(script: &str) -> (tempfile::TempDir, Engine) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("engine");
        // Written under another name: a program that is open for writing cannot be started.
        let draft = folder.path().join("draft");
        std::fs::write(&draft, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::rename(&draft, &program).unwrap();
        let options = Options {
            program,
            key_cache: None,
            threads: None,
            memory_limit_bytes: None,
            elf: None,
        };
        let engine = Engine::start(&options, Box::new(|_| ())).unwrap();
        (folder, engine)
    }

    fn ask(engine: &mut Engine, limit: Duration) -> ClientError {
        engine.call(Work::Describe {}, limit).unwrap_err()
    }

    #[test]
    fn passes_on_the_answer_and_the_failure() {
        let (_folder, mut engine) = played(
            r#"read request
echo '{"id":1,"outcome":{"done":{"is":"verified"}},"usage":{"cpu_ms":1,"wall_ms":2,"peak_bytes":3}}'
read request
echo '{"id":2,"outcome":{"failed":{"kind":"storage","message":"disk full"}},"usage":{"cpu_ms":0,"wall_ms":0,"peak_bytes":0}}'
read request"#,
        );
        let (answer, usage) = engine.call(Work::Describe {}, LIMIT).unwrap();
        assert_eq!(answer, Answer::Verified {});
        assert_eq!((usage.cpu_ms, usage.wall_ms, usage.peak_bytes), (1, 2, 3));
        assert_eq!(
            ask(&mut engine, LIMIT).to_string(),
            "Storage: disk full".to_owned()
        );
    }

    #[test]
    fn tells_how_it_died() {
        let (_folder, mut engine) = played("read request; kill -9 $$");
        assert_eq!(
            ask(&mut engine, LIMIT).to_string(),
            "the proof engine ended: signal 9, probably out of memory; give workers more or run fewer"
        );
        let (_folder, mut engine) = played("read request; printf 'half a li'; exit 3");
        assert_eq!(
            ask(&mut engine, LIMIT).to_string(),
            "the proof engine ended: exit status 3"
        );
    }

    #[test]
    fn gives_up_after_the_limit() {
        let (_folder, mut engine) = played("read request; read never");
        let error = ask(&mut engine, Duration::from_millis(50));
        assert!(matches!(error, ClientError::Timeout(_)), "{error}");
        let error = ask(&mut engine, LIMIT);
        assert!(matches!(error, ClientError::Died(_)), "{error}");
    }

    #[test]
    fn refuses_what_is_no_answer() {
        for (script, reason) in [
            ("read request; echo nonsense; read never", "expected ident"),
            (
                r#"read request; echo '{"id":7,"outcome":{"done":{"is":"verified"}},"usage":{"cpu_ms":0,"wall_ms":0,"peak_bytes":0}}'; read never"#,
                "reply to 7, expected 1",
            ),
            (
                "read request; head -c 1100000 /dev/zero | tr '\\0' 'a'; read never",
                "a line longer than 1048576 bytes",
            ),
        ] {
            let (_folder, mut engine) = played(script);
            let error = ask(&mut engine, LIMIT).to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_handle_ends_it_from_another_thread() {
        let (_folder, mut engine) = played("read request; echo started >&2; read never");
        let killer = engine.killer();
        let thread = std::thread::spawn(move || killer.kill());
        let error = ask(&mut engine, LIMIT);
        assert!(matches!(error, ClientError::Died(_)), "{error}");
        assert_eq!(
            thread.join().unwrap().and_then(|status| status.signal()),
            Some(9)
        );
    }

    #[test]
    fn says_what_the_engine_says() {
        let (sender, lines) = std::sync::mpsc::channel();
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            program: PathBuf::from("/bin/ls"),
            key_cache: Some(folder.path().join("not there")),
            threads: None,
            memory_limit_bytes: None,
            elf: None,
        };
        let on_line: OnLine = Box::new(move |line| sender.send(line.to_owned()).unwrap());
        let _engine = Engine::start(&options, on_line).unwrap();
        assert!(lines.recv_timeout(LIMIT).unwrap().contains("key-cache"));
    }
}
