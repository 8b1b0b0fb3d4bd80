//! room: pins
