//! What tests of a store, a transport or an engine are made of. Outside the semver promise.
//!
//! * [`ManualClock`] stands still until it is told to go on.

mod manual_clock;

pub use manual_clock::ManualClock;
