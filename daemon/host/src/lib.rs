//! What the box is: keys, systemd, logging.
