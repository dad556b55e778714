//! In-process replacements of services that a production deployment has elsewhere: a Kafka broker, a schema registry
//! and an answering side, all inside this process and on loopback only.
//!
//! [`Demo`] starts the three together. [`DemoBroker`] and [`DemoRegistry`] also stand alone, as doubles for
//! the tests of other crates: the registry can be told to fail ([`RegistryFault`]) and counts what it is
//! asked. Knows no other crate of the workspace, as an outside answering side would not.

pub mod answerer;
pub mod broker;
pub mod demo;
mod events;
pub mod registry;
pub mod retrieval;

pub use answerer::{Answerer, AnswererError, AnswererSettings};
pub use broker::{BrokerError, DemoBroker, DemoTopic};
pub use demo::{Demo, DemoError, DemoSettings};
pub use registry::{DemoRegistry, DemoRegistryError, RegistryFault};
