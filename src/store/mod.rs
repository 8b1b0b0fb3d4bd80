//! room: store
