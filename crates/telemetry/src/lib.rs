//! Logs, traces, metrics and the admin port of every service.
