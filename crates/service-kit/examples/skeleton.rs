//! The smallest service: it does nothing until it is told to stop. Tests of the skeleton run it as a
//! process of its own.

use cloister_service_kit::{Context, Print, Result, Service, ServiceConfig};
use cloister_settings::schemars::JsonSchema;
use cloister_settings::{AdminSection, DatabaseSection, SettingsError, TelemetrySection, Validate};
use serde::{Deserialize, Serialize};
use sqlx::migrate::Migrator;

/// How the service behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Behaviour {
    /// Ends at step one.
    Obedient,
    /// Ends at step two only.
    Stubborn,
    /// A task of it fails.
    Failing,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    behaviour: Behaviour,
    admin: AdminSection,
    database: DatabaseSection,
    #[serde(default)]
    telemetry: TelemetrySection,
}

impl Validate for Config {
    fn validate(&self) -> Result<(), SettingsError> {
        Ok(())
    }
}

impl ServiceConfig for Config {
    fn admin(&self) -> &AdminSection {
        &self.admin
    }

    fn database(&self) -> &DatabaseSection {
        &self.database
    }

    fn telemetry(&self) -> &TelemetrySection {
        &self.telemetry
    }
}

static MIGRATOR: Migrator = sqlx::migrate!("examples/migrations");

struct Skeleton;

impl Service for Skeleton {
    const NAME: &'static str = "skeleton";
    const PRINTS: &'static [Print] = &[Print {
        command: "print-poem",
        about: "Print a poem",
        make: || "roses\n".to_owned(),
    }];
    type Config = Config;

    fn migrator() -> &'static Migrator {
        &MIGRATOR
    }

    async fn run(config: Config, context: Context) -> Result<()> {
        if config.behaviour == Behaviour::Failing {
            context.tasks.spawn("doomed", async {
                Err(std::io::Error::other("no more disk").into())
            });
        }
        context.shutdown.stopping().await;
        if config.behaviour == Behaviour::Stubborn {
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}

fn main() -> std::process::ExitCode {
    cloister_service_kit::main::<Skeleton>()
}
