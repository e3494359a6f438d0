//! The command line tool `cloister`.

fn main() {}
