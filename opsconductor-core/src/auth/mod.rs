//! Who someone is, and who may do what.

pub mod password;
pub mod policy;
