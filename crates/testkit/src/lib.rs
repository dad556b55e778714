//! Helpers shared by the tests of several crates. The end-to-end tests are beside it, in `e2e`.

mod example;

pub use example::Example;
