//! The policies of the repository and the engine, against each other.

mod ask;
mod grid;
mod loading;
mod rules;
mod world;
