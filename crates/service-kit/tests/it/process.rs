//! The skeleton as a process: its command line, its start, its signals, its end.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use cloister_test_kit::postgres::{self, Cluster};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

/// Long enough for a busy machine.
const TEST_LIMIT: Duration = Duration::from_mins(1);

/// Time that a service has to finish what it began.
const GRACE: Duration = Duration::from_secs(20);

/// The example beside this test program.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().and_then(Path::parent).unwrap();
    folder.join("examples/skeleton")
}

struct World {
    _cluster: Cluster,
    folder: tempfile::TempDir,
    text: String,
}

impl World {
    async fn new() -> Self {
        let cluster = Cluster::start(postgres::Options::default()).await.unwrap();
        let database = cluster.create_database("skeleton").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let password = folder.path().join("password");
        std::fs::write(&password, &database.password).unwrap();
        std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
        let text = format!(
            "[admin]\nlisten = \"127.0.0.1:0\"\n\
             [database]\nhost = \"{}\"\nport = {}\nname = \"{}\"\nuser = \"{}\"\n\
             password_file = \"password\"\n",
            database.host, database.port, database.name, database.user
        );
        Self {
            _cluster: cluster,
            folder,
            text,
        }
    }

    fn config(&self, behaviour: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{behaviour}.toml"));
        std::fs::write(&path, format!("behaviour = \"{behaviour}\"\n{}", self.text)).unwrap();
        path
    }

    async fn migrate(&self) {
        let (ok, said) = run(&["migrate", "--config"], Some(&self.config("obedient"))).await;
        assert!(ok, "{said}");
    }
}

/// Runs the program to its end; all that it wrote.
async fn run(arguments: &[&str], config: Option<&Path>) -> (bool, String) {
    let mut command = Command::new(program());
    command.args(arguments).args(config).kill_on_drop(true);
    let done = tokio::time::timeout(TEST_LIMIT, command.output())
        .await
        .unwrap()
        .unwrap();
    let text = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(text).unwrap())
}

struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    admin: String,
}

impl Running {
    /// Starts the service and waits for its admin port.
    async fn start(config: &Path) -> Self {
        let mut child = Command::new(program())
            .args(["serve", "--config"])
            .arg(config)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let lines = BufReader::new(stdout).lines();
        let mut running = Self {
            child,
            lines,
            admin: String::new(),
        };
        let listening = running.line("listening").await;
        assert_eq!(listening["kind"], "admin");
        running.admin = listening["address"].as_str().unwrap().into();
        running
    }

    /// The next log line with this message.
    async fn line(&mut self, message: &str) -> Value {
        let find = async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                let line: Value = serde_json::from_str(&line).unwrap();
                if line["message"] == message {
                    return line;
                }
            }
            panic!("the service ended without saying `{message}`");
        };
        tokio::time::timeout(TEST_LIMIT, find).await.unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.admin).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn terminate(&self) {
        let id = self.child.id().unwrap().to_string();
        let status = Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .await
            .unwrap();
        assert!(status.success());
    }

    async fn exit_code(&mut self) -> Option<i32> {
        let status = tokio::time::timeout(TEST_LIMIT, self.child.wait())
            .await
            .unwrap()
            .unwrap();
        status.code()
    }
}

#[tokio::test]
async fn serves_after_migration_and_ends_in_peace() {
    let world = World::new().await;
    world.migrate().await;
    let mut service = Running::start(&world.config("obedient")).await;
    service.line("ready").await;
    assert!(service.get("/livez").await.starts_with("HTTP/1.1 200"));
    assert!(service.get("/readyz").await.starts_with("HTTP/1.1 200"));
    assert!(service.get("/metrics").await.starts_with("HTTP/1.1 200"));
    service.terminate().await;
    let stop = Instant::now();
    service.line("stopped").await;
    assert_eq!(service.exit_code().await, Some(0));
    let time = stop.elapsed();
    assert!(time < GRACE, "nothing is left to wait for: {time:?}");
}

#[tokio::test]
async fn refuses_to_start_on_a_schema_that_is_not_its_own() {
    // Defends SPF-7.
    let world = World::new().await;
    let (ok, said) = run(&["serve", "--config"], Some(&world.config("obedient"))).await;
    assert!(!ok);
    assert!(
        said.contains("run the `migrate` command of this service first"),
        "{said}"
    );
}

#[tokio::test]
async fn a_second_signal_ends_what_does_not_end_by_itself() {
    let world = World::new().await;
    world.migrate().await;
    let mut service = Running::start(&world.config("stubborn")).await;
    service.line("ready").await;
    service.terminate().await;
    service.line("stopping: no new work is taken").await;
    assert!(service.get("/livez").await.starts_with("HTTP/1.1 200"));
    assert!(service.get("/readyz").await.starts_with("HTTP/1.1 503"));
    service.terminate().await;
    service
        .line("the service did not finish within the grace period")
        .await;
    assert_eq!(service.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_task_that_fails_ends_the_service_with_an_error() {
    let world = World::new().await;
    world.migrate().await;
    let mut service = Running::start(&world.config("failing")).await;
    let line = service.line("stopped by an error").await;
    assert_eq!(line["error"], "the task `doomed` failed: no more disk");
    assert_eq!(service.exit_code().await, Some(1));
}

#[tokio::test]
async fn checks_a_configuration_without_opening_anything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    let text = "behaviour = \"obedient\"\n[admin]\nlisten = \"127.0.0.1:1\"\n[database]\n\
                host = \"HOST\"\nname = \"n\"\nuser = \"u\"\npassword_file = \"absent\"\n";
    std::fs::write(&path, text.replace("HOST", "localhost")).unwrap();
    let (ok, said) = run(&["check-config", "--config"], Some(&path)).await;
    assert!(ok, "{said}");
    let settings: Value = serde_json::from_str(&said).unwrap();
    let absolute = folder.path().join("absent");
    assert_eq!(
        settings["database"]["password_file"],
        absolute.to_str().unwrap()
    );

    std::fs::write(&path, format!("colour = 1\n{text}")).unwrap();
    let (ok, said) = run(&["check-config", "--config"], Some(&path)).await;
    assert!(!ok);
    assert!(said.contains("unknown field `colour`"), "{said}");

    std::fs::write(&path, text.replace("HOST", "db.example")).unwrap();
    let (ok, said) = run(&["check-config", "--config"], Some(&path)).await;
    assert!(!ok);
    assert!(said.contains("`database.ca_file`"), "{said}");
}

#[tokio::test]
async fn prints_its_schema_and_its_documents() {
    let (ok, said) = run(&["print-config-schema"], None).await;
    assert!(ok, "{said}");
    let schema: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    assert!(schema["properties"]["database"].is_object(), "{schema}");
    assert_eq!(
        run(&["print-poem"], None).await,
        (true, "roses\n".to_owned())
    );
    assert!(!run(&["print-nothing"], None).await.0);
}
