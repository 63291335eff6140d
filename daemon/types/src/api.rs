//! HTTP messages.
