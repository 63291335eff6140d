//! Meters against real peers on loopback (pymodbus with pysunspec2's models, mosquitto, NUT's dummy-ups, snmpd) and
//! against hostile ones, and a simulated day over the real policy. `scripts/setup --tests` brings the peers.

mod day;
mod hostile;
mod mqtt;
mod nut;
mod pdu;
mod rig;
mod sunspec;
mod victron;
