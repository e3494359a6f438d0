//! Gives auditors the packages that a grant allows.

fn main() {}
