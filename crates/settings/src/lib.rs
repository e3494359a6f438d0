//! Typed configuration sections read from one TOML file; secrets only from files.
