//! room: policy
