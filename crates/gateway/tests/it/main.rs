//! Tests the configuration and the command line, without a process or a broker.

mod ask;
mod cli;
mod config_contradictions;
mod config_layers;
mod config_problems;
mod config_secrets;
mod config_values;
mod replay;
mod support;
