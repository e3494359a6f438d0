//! Starts the whole stack on one machine and plays the demo story.

fn main() {}
