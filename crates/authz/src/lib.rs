//! Cedar policy enforcement: who may do what, deny by default.
