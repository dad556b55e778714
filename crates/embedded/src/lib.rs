//! What the demo needs that a production deployment has elsewhere: a Kafka broker, a schema registry
//! and an answering side, all inside this process and on loopback only.
//!
//! [`Demo`] starts the three together. [`Broker`] and [`Registry`] also stand alone, as doubles for
//! the tests of other crates: the registry can be told to fail ([`Fault`]) and counts what it is
//! asked. Knows no other crate of the workspace, as an outside answering side would not.

pub mod answerer;
pub mod broker;
pub mod demo;
mod events;
pub mod registry;
pub mod retrieval;

pub use answerer::{Answerer, AnswererError, AnswererSettings};
pub use broker::{Broker, BrokerError, Topic};
pub use demo::{Demo, DemoError, DemoSettings};
pub use registry::{Fault, Registry, RegistryError};
