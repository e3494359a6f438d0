//! Tests of the state transition as its users see it.

#[cfg(test)]
mod codes;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod envelope;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod world;
