//! Tests of the service loop.

mod executor;
mod model;
mod year;
