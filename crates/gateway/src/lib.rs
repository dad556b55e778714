//! Configuration and command line of `answer-gateway`, apart from the process that uses them.
//!
//! The binary reads its settings through [`config::Config::load`] and its arguments through
//! [`cli::Cli`]; whatever opens sockets and threads is the binary's.

pub mod cli;
pub mod config;
