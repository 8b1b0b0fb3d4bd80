//! room: cli
