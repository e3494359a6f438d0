//! The four services as processes with everything around them, used from outside.

mod clients;
mod databases;
mod faults;
mod input;
mod leaks;
mod token;
