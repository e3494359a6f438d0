//! Decoding of calls and events into the typed context that policies speak of.
