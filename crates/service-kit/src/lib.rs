//! The skeleton all services share: command line, configuration, admin port, TLS and two-step shutdown.
