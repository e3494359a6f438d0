//! What a person at the terminal sees while the stack is up.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use cloister_test_kit::stack::{CHAIN_ID, Stack};

/// Addresses and logins.
pub(crate) fn welcome(stack: &Stack) -> anyhow::Result<()> {
    let mut text = format!(
        "\nCloister is up.\n  gateway      {}   (chain id {CHAIN_ID})\n  disclosure   {}\n  \
         provider     {}\n  Ethereum     {}   Rollup {}\n  trust        {}\n  logs         {}\n",
        stack.gateway_url(),
        stack.disclosure_url(),
        stack.provider()?.issuer(),
        stack.l1_url()?,
        stack.rollup.as_deref().unwrap_or("-"),
        stack.pki.ca_file().display(),
        stack.folder().display(),
    );
    text += "\n  login    password          who\n";
    for person in stack.people.all() {
        let _ = writeln!(
            text,
            "  {:8} {:17} {}",
            person.login, person.password, person.name
        );
    }
    std::io::stdout().write_all(format!("{text}\n").as_bytes())?;
    Ok(())
}

/// Waits for Ctrl-C, watching that the services live.
pub(crate) async fn wait_for_end(stack: &mut Stack) -> anyhow::Result<()> {
    welcome(stack)?;
    writeln!(std::io::stdout(), "Press Ctrl-C to stop everything.")?;
    let mut pulse = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            ended = tokio::signal::ctrl_c() => return Ok(ended?),
            _ = pulse.tick() => {
                for service in &mut stack.services {
                    service.check()?;
                }
            }
        }
    }
}
