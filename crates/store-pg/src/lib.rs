//! Postgres: pools, named transactions that may run twice, migrations and the schema-version gate.
