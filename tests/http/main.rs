//! `http.request` from end to end: a worker, and services on loopback that behave well or badly.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod answers;
mod breaks;
mod flows;
mod guard;
mod probe;
mod redirects;
mod requests;
mod scene;
mod secrets;
mod tls;

use opsconductor_tests::service;
