//! The command line that all services share.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Arg, ArgMatches, Command, value_parser};
use cloister_settings::redacted;
use cloister_store_pg::{Database, is_retryable, schema};
use cloister_telemetry::Metrics;
use tokio::signal::unix::{SignalKind, signal};

use crate::{Check, Context, Readiness, Result, Service, ServiceConfig, Shutdown, Tasks, admin};

/// Time between step one and step two of the shutdown. Below Kubernetes' default of 30 s.
const GRACE: Duration = Duration::from_secs(20);
/// Time that tasks have to end after step two.
const LEAVE: Duration = Duration::from_secs(2);
/// How long a service waits for its database when it starts.
const DATABASE_PATIENCE: Duration = Duration::from_mins(1);
/// How often the database is asked whether it is there.
const DATABASE_CHECK: Duration = Duration::from_secs(5);
/// How often histogram samples are folded together.
const METRICS_UPKEEP: Duration = Duration::from_secs(5);

/// Runs the service's command line to its end. The whole of a service's `main`.
#[must_use]
pub fn main<S: Service>() -> ExitCode {
    finish(command::<S>(), run::<S>)
}

/// Names of the further commands of a program that can also run as another service.
#[derive(Clone, Copy, Debug)]
pub struct Second {
    /// Checks that service's configuration file, e.g. `check-worker-config`.
    pub check_config: &'static str,
    /// Prints its schema, e.g. `print-worker-config-schema`.
    pub print_config_schema: &'static str,
}

/// Like [`main`], for a program that can also run as `W`: another command, with a configuration
/// file of its own, on the same database.
#[must_use]
pub fn main_with<S: Service, W: Service>(second: Second) -> ExitCode {
    let command = command::<S>()
        .subcommand(Command::new(W::COMMAND).about(W::ABOUT).arg(config()))
        .subcommand(
            Command::new(second.check_config)
                .about(format!("Check the configuration file of `{}`", W::COMMAND))
                .arg(config()),
        )
        .subcommand(Command::new(second.print_config_schema).about(format!(
            "Print the JSON schema of the configuration file of `{}`",
            W::COMMAND
        )));
    finish(command, |matches| {
        let (name, arguments) = matches.subcommand().context("no command")?;
        if name == W::COMMAND {
            install_crypto();
            runtime()?.block_on(serve::<W>(load_from::<W>(arguments)?))
        } else if name == second.check_config {
            check::<W>(arguments)
        } else if name == second.print_config_schema {
            print_schema::<W>()
        } else {
            run::<S>(matches)
        }
    })
}

fn finish(command: Command, run: impl FnOnce(&ArgMatches) -> Result<()>) -> ExitCode {
    let matches = match command.try_get_matches() {
        Ok(matches) => matches,
        Err(error) => error.exit(),
    };
    match run(&matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn config() -> Arg {
    Arg::new("config")
        .long("config")
        .value_name("FILE")
        .required(true)
        .value_parser(value_parser!(PathBuf))
        .help("The configuration file (TOML)")
}

fn command<S: Service>() -> Command {
    let mut command = Command::new(S::NAME)
        .bin_name(format!("cloister-{}", S::NAME))
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new(S::COMMAND).about(S::ABOUT).arg(config()))
        .subcommand(
            Command::new("migrate")
                .about("Bring the database to this version")
                .arg(config()),
        )
        .subcommand(
            Command::new("check-config")
                .about("Check the configuration file")
                .arg(config()),
        )
        .subcommand(
            Command::new("print-config-schema")
                .about("Print the JSON schema of the configuration file"),
        );
    for print in S::PRINTS {
        command = command.subcommand(Command::new(print.command).about(print.about));
    }
    command
}

/// One provider of cryptography for the whole process; an error means that it is already there.
fn install_crypto() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn load_from<S: Service>(arguments: &ArgMatches) -> Result<S::Config> {
    let path = arguments
        .get_one::<PathBuf>("config")
        .context("no configuration file")?;
    load::<S::Config>(path)
}

fn check<S: Service>(arguments: &ArgMatches) -> Result<()> {
    let config = load_from::<S>(arguments)?;
    print(&format!("{:#}\n", redacted(&config)?))
}

fn print_schema<S: Service>() -> Result<()> {
    let schema = schemars::schema_for!(S::Config);
    print(&format!("{}\n", serde_json::to_string_pretty(&schema)?))
}

fn run<S: Service>(matches: &ArgMatches) -> Result<()> {
    install_crypto();
    let (name, arguments) = matches.subcommand().context("no command")?;
    match name {
        name if name == S::COMMAND => runtime()?.block_on(serve::<S>(load_from::<S>(arguments)?)),
        "migrate" => runtime()?.block_on(migrate::<S>(&load_from::<S>(arguments)?)),
        "check-config" => check::<S>(arguments),
        "print-config-schema" => print_schema::<S>(),
        other => {
            let wanted = S::PRINTS.iter().find(|print| print.command == other);
            print(&(wanted.context("no such command")?.make)())
        }
    }
}

/// Reads a configuration and checks the sections that all services have.
fn load<C: ServiceConfig>(path: &Path) -> Result<C> {
    use cloister_settings::Validate as _;
    let config: C = cloister_settings::load(path)?;
    config.database().validate()?;
    config.telemetry().validate()?;
    Ok(config)
}

fn print(text: &str) -> Result<()> {
    use std::io::Write as _;
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("cannot write to standard output")
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

async fn migrate<S: Service>(config: &S::Config) -> Result<()> {
    let database = Database::connect(config.database()).await?;
    schema::migrate(database.pool(), S::migrator()).await?;
    print("the database is at this version\n")
}

async fn serve<S: Service>(config: S::Config) -> Result<()> {
    let telemetry = cloister_telemetry::init(config.telemetry(), S::NAME)?;
    let result = serve_with_logs::<S>(config).await;
    match &result {
        Ok(()) => tracing::info!("stopped"),
        Err(error) => tracing::error!(error = format!("{error:#}"), "stopped by an error"),
    }
    // Blocks for up to five seconds, so not on the runtime's own threads.
    tokio::task::spawn_blocking(|| telemetry.finish()).await?;
    result
}

async fn serve_with_logs<S: Service>(config: S::Config) -> Result<()> {
    let settings = redacted(&config)?;
    tracing::info!(service = S::NAME, version = env!("CARGO_PKG_VERSION"), %settings, "starting");
    let shutdown = Shutdown::new();
    let tasks = Tasks::new(shutdown.clone());
    let readiness = Readiness::default();
    let metrics = Metrics::install()?;
    let database_check = readiness.check("database");
    watch_signals(&shutdown)?;
    let listener = crate::listen("admin", config.admin().listen).await?;
    let admin = admin::serve(
        listener,
        readiness.clone(),
        shutdown.clone(),
        metrics.clone(),
    );
    // Apart from the service's tasks: it answers until they have ended, so it must not be waited
    // for together with them, or every stop would take the whole grace period.
    let skeleton = Tasks::new(shutdown.clone());
    skeleton.spawn("admin", admin);

    let started = async {
        let database = connect(config.database()).await?;
        schema::require(database.pool(), S::migrator()).await?;
        Ok::<_, anyhow::Error>(database)
    };
    let served = match shutdown.unless_stopping(started).await {
        Some(Ok(database)) => {
            tasks.spawn(
                "housekeeping",
                housekeeping(
                    database.clone(),
                    database_check,
                    metrics.clone(),
                    shutdown.clone(),
                ),
            );
            let context = Context {
                shutdown: shutdown.clone(),
                readiness,
                database,
                metrics,
                tasks: tasks.clone(),
            };
            shutdown
                .unless_leaving(S::run(config, context))
                .await
                .unwrap_or_else(|| {
                    tracing::warn!("the service did not finish within the grace period");
                    Ok(())
                })
        }
        Some(Err(error)) => Err(error),
        None => Ok(()),
    };
    // When `run` ends by itself, with or without an error, everything else ends too.
    shutdown.stop();
    let others = tasks.finish(LEAVE).await;
    shutdown.leave();
    let admin = skeleton.finish(LEAVE).await;
    served.and(others).and(admin)
}

/// SIGTERM or SIGINT begins step one; the end of the grace period or a second signal step two.
fn watch_signals(shutdown: &Shutdown) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot watch for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot watch for SIGINT")?;
    let shutdown = shutdown.clone();
    // Not among the tasks that the end waits for: it would wait out the grace period.
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = shutdown.stopping() => {}
        }
        tracing::info!("stopping: no new work is taken");
        shutdown.stop();
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = tokio::time::sleep(GRACE) => {}
        }
        shutdown.leave();
    });
    Ok(())
}

/// Waits for the database: at the start of a whole installation it may come up later.
async fn connect(section: &cloister_settings::DatabaseSection) -> Result<Database> {
    let database = Database::connect_lazy(section)?;
    let deadline = tokio::time::Instant::now() + DATABASE_PATIENCE;
    loop {
        let Err(error) = database.pool().acquire().await else {
            return Ok(database);
        };
        if !is_retryable(&error) || tokio::time::Instant::now() >= deadline {
            return Err(error).context("cannot connect to the database");
        }
        tracing::warn!(%error, "the database does not answer yet");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Keeps the database's readiness and the metrics up to date.
async fn housekeeping(
    database: Database,
    check: Check,
    metrics: Metrics,
    shutdown: Shutdown,
) -> Result<()> {
    let mut database_turn = tokio::time::interval(DATABASE_CHECK);
    let mut metrics_turn = tokio::time::interval(METRICS_UPKEEP);
    loop {
        tokio::select! {
            () = shutdown.stopping() => return Ok(()),
            _ = metrics_turn.tick() => metrics.upkeep(),
            _ = database_turn.tick() => {
                let ask = sqlx::query("SELECT 1").execute(database.pool());
                match tokio::time::timeout(DATABASE_CHECK, ask).await {
                    Ok(Ok(_)) => check.ready(),
                    Ok(Err(error)) => check.not_ready(error.to_string()),
                    Err(_) => check.not_ready("does not answer"),
                }
            }
        }
    }
}
