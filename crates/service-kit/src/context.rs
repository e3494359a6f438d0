//! What the skeleton hands to a service.

use cloister_store_pg::Database;
use cloister_telemetry::Metrics;

use crate::{Readiness, Shutdown, Tasks};

/// What the skeleton hands to a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Context {
    /// Says when to stop.
    pub shutdown: Shutdown,
    /// Named checks behind `/readyz`.
    pub readiness: Readiness,
    /// The service's own database, connected and of the right schema version.
    pub database: Database,
    /// What has been counted so far.
    pub metrics: Metrics,
    /// Owns the service's background tasks.
    pub tasks: Tasks,
}
