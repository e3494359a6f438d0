//! Wiring of what proves.

use std::sync::Arc;

use cloister_service_kit::grpc::TracedChannel;
use cloister_service_kit::{Context, Error, Result};
use cloister_types::SystemClock;

use crate::app::health::Health;
use crate::app::proving::engine::{Engines, Wrapping};
use crate::app::proving::inputs::{Fetching, Inputs};
use crate::app::proving::load::Load;
use crate::app::proving::monitor::{self, Monitor};
use crate::app::proving::scratch;
use crate::app::proving::worker::{Shop, Worker};
use crate::artefacts::Artefacts;
use crate::config::ProverSection;
use crate::store::{Store, Takes};

/// Starts all of it: intake of inputs, workers, monitor, pruning, reports to the sequencer.
pub(super) fn start(
    section: &ProverSection,
    sequencer: TracedChannel,
    store: &Store,
    health: &Arc<Health>,
    context: &Context,
) -> Result<()> {
    start_workers(section, store, health, context, true)?;
    let artefacts = || Artefacts::new(store.clone(), section.artefacts.clone());
    let inputs = Inputs::new(
        sequencer.clone(),
        Fetching {
            store: store.clone(),
            artefacts: artefacts(),
            health: Arc::clone(health),
            scratch: section.scratch.clone(),
            name: process_name(),
            max_bytes: section.max_input_bytes,
            patience: section.patience(),
            poll: section.poll(),
        },
    );
    let inputs = inputs.map_err(|error| no_folder("prover.scratch", &section.scratch, &error))?;
    let (tasks, shutdown) = (&context.tasks, &context.shutdown);
    tasks.spawn("inputs", inputs.run(shutdown.clone()));
    let monitor = Monitor {
        store: store.clone(),
        health: Arc::clone(health),
        clock: Arc::new(SystemClock),
        poll: section.poll(),
    };
    tasks.spawn("monitor", monitor.run(shutdown.clone()));
    let prune = monitor::prune(
        store.clone(),
        artefacts(),
        section.keep_inputs(),
        section.poll(),
        shutdown.clone(),
    );
    tasks.spawn("pruning", prune);
    let load = Load::new(sequencer, store.clone(), Arc::new(SystemClock));
    tasks.spawn("proving load", load.run(shutdown.clone()));
    Ok(())
}

/// Starts the workers, and beside a committer those that only execute.
pub(super) fn start_workers(
    section: &ProverSection,
    store: &Store,
    health: &Arc<Health>,
    context: &Context,
    with_checkers: bool,
) -> Result<()> {
    scratch::sweep(&section.scratch)
        .map_err(|error| no_folder("prover.scratch", &section.scratch, &error))?;
    if let Some(folder) = &section.artefacts {
        std::fs::create_dir_all(folder)
            .map_err(|error| no_folder("prover.artefacts", folder, &error))?;
    }
    let shop = Arc::new(Shop {
        store: store.clone(),
        artefacts: Artefacts::new(store.clone(), section.artefacts.clone()),
        engines: Engines::new(section),
        wrapping: Wrapping::new(section),
        health: Arc::clone(health),
        scratch: section.scratch.clone(),
        lease: section.lease(),
        poll: section.poll(),
        timeout: section.call_timeout(),
        stop_grace: section.stop_grace(),
        patience: section.patience(),
    });
    let checkers = if with_checkers { section.checkers } else { 0 };
    let process = process_name();
    let workers = (1..=section.workers).map(|number| (format!("{process}/{number}"), Takes::All));
    let checkers =
        (1..=checkers).map(|number| (format!("{process}/check-{number}"), Takes::Executions));
    for (name, takes) in workers.chain(checkers) {
        let worker = Worker::new(Arc::clone(&shop), name, takes)
            .map_err(|error| no_folder("prover.scratch", &section.scratch, &error))?;
        let run = worker.run(context.shutdown.clone());
        context.tasks.spawn("worker", run);
    }
    Ok(())
}

/// Host, process and a random number: another one after each start, so that leases are never
/// mistaken for one's own.
fn process_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host: String = host
        .trim()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        .take(64)
        .collect();
    format!(
        "{host}-{}-{:08x}",
        std::process::id(),
        rand::random::<u32>()
    )
}

fn no_folder(setting: &str, folder: &std::path::Path, error: &std::io::Error) -> Error {
    Error::msg(format!(
        "the folder `{}` of `{setting}` cannot be used: {error}",
        folder.display()
    ))
}
