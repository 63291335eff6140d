//! The queen's API from the other side.
