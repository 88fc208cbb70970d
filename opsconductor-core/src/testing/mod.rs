//! What tests of a store, a transport or an engine are made of. Outside the semver promise.
//!
//! * [`ManualClock`] stands still until it is told to go on.
//! * [`store_suite!`](crate::store_suite) runs the sentences of the [store contracts](crate::store) on an
//!   implementation, one test per case.
//! * [`transport_suite!`](crate::transport_suite) does the same with the promises of the
//!   [transport seam](crate::transport).
//! * [`job_kit::JobKit`] runs a job definition against scripted hosts, for those who write definitions.

pub mod job_kit;
mod manual_clock;
pub mod store;
pub mod transport;

pub use manual_clock::ManualClock;
