//! Free loopback ports for programs that must be told theirs.
//!
//! Between the choice and the use of a port another program may take it. Ports below the range from
//! which the kernel serves outgoing connections are taken only by who asks for them, so they are
//! tried one after another, from a place that differs by process.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::bail;

/// The ports that are tried: below 32,768, where Linux begins to serve outgoing connections.
const FIRST: u32 = 15_000;
const COUNT: u32 = 17_000;

/// A loopback port that nobody listens on, and that this process has not given out before.
///
/// # Errors
/// When every port is taken.
pub fn free() -> anyhow::Result<u16> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Neighbouring processes start far from each other.
    let start = std::process::id().wrapping_mul(7_919);
    for _ in 0..COUNT {
        let turn = start.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + turn % COUNT)?;
        if TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).is_ok() {
            return Ok(port);
        }
    }
    bail!("no loopback port is free")
}
