//! Outlets and wake-up calls that follow the ladder: a state machine without IO.
//!
//! A node whose rack shuts down turns itself off; when its bees are silent for a while its outlet is switched off.
//! When the rack comes back its outlet is switched on and its network card is called, until a bee of it is heard.

use std::time::Duration;

use crate::config::{NodeConfig, Outlet};
use crate::wol::Mac;

/// How long a node's bees must be silent before its outlet is switched off: a machine writes its disks meanwhile.
const OFF_AFTER: Duration = Duration::from_secs(120);
/// Time between two calls of a node that does not come.
const CALL_EVERY: Duration = Duration::from_secs(60);
/// Calls of a node that does not come; then the operator has to look.
const CALLS_MAX: u32 = 30;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Switch an outlet.
    Switch {
        /// Which.
        outlet: Outlet,
        /// On or off.
        on: bool,
    },
    /// Send a magic packet.
    Wake(Mac),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    /// Its bees work, or it is none of ours.
    On,
    /// It was told to shut down; since then nobody was heard, or somebody was at this time.
    Ending(Duration),
    /// Off.
    Off,
    /// Called back so many times, the last time then.
    Called(u32, Duration),
}

/// The nodes of a rack.
#[derive(Clone, Debug)]
pub struct Nodes {
    nodes: Vec<(NodeConfig, State)>,
}

impl Nodes {
    /// Nodes that are on, or were shut down before this process began: then they are called once the rack may work.
    pub fn new(nodes: &[NodeConfig], were_off: bool) -> Self {
        let state = if were_off { State::Off } else { State::On };
        Self {
            nodes: nodes.iter().map(|node| (node.clone(), state)).collect(),
        }
    }

    /// One step: what to do now. `online` says whether any of the named node's bees is heard.
    pub fn step(
        &mut self,
        now: Duration,
        shut_down: bool,
        online: impl Fn(&NodeConfig) -> bool,
    ) -> Vec<Action> {
        let mut actions = Vec::new();
        for (node, state) in &mut self.nodes {
            let switch = |on| {
                node.outlet
                    .clone()
                    .map(|outlet| Action::Switch { outlet, on })
            };
            let heard = online(node);
            *state = match (*state, shut_down) {
                (State::On | State::Called(..), true) => State::Ending(now),
                (State::Ending(_), true) if heard => State::Ending(now),
                (State::Ending(since), true) if now.saturating_sub(since) >= OFF_AFTER => {
                    actions.extend(switch(false));
                    State::Off
                }
                // It woke by its clock to look, and shuts down again.
                (State::Off, true) if heard => State::Ending(now),
                (State::Off | State::Ending(_), false) => {
                    actions.extend(switch(true));
                    actions.extend(node.mac.map(Action::Wake));
                    State::Called(1, now)
                }
                (State::Called(..), false) if heard => State::On,
                (State::Called(calls, last), false)
                    if calls < CALLS_MAX && now.saturating_sub(last) >= CALL_EVERY =>
                {
                    actions.extend(switch(true));
                    actions.extend(node.mac.map(Action::Wake));
                    State::Called(calls + 1, now)
                }
                (state, _) => state,
            };
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_goes_off_when_it_is_silent_and_is_called_until_it_comes() {
        let outlet = Outlet {
            pdu: "left".into(),
            number: 3,
        };
        let mac = Mac([2; 6]);
        let node = NodeConfig {
            name: "rack-1".into(),
            bees: Vec::new(),
            surplus_only: false,
            mac: Some(mac),
            outlet: Some(outlet.clone()),
        };
        let mut nodes = Nodes::new(&[node], false);
        let mut step =
            |t, shut_down, heard| nodes.step(Duration::from_secs(t), shut_down, |_| heard);
        assert_eq!(step(0, false, true), []);
        assert_eq!(step(10, true, true), []);
        assert_eq!(step(60, true, true), []);
        assert_eq!(step(170, true, false), [], "heard 110 s ago");
        let off = Action::Switch {
            outlet: outlet.clone(),
            on: false,
        };
        assert_eq!(step(180, true, false), [off]);
        assert_eq!(step(10_000, true, false), []);
        let call = [Action::Switch { outlet, on: true }, Action::Wake(mac)];
        assert_eq!(step(20_000, false, false), call);
        assert_eq!(step(20_010, false, false), []);
        assert_eq!(step(20_060, false, false), call);
        assert_eq!(step(20_120, false, true), []);
        assert_eq!(
            step(30_000, false, false),
            [],
            "it is on; that it is silent is another matter"
        );
    }
}
