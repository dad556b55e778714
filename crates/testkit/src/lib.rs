//! What the tests of several crates share. The outside tests are beside it, in `e2e`.

mod example;

pub use example::Example;
