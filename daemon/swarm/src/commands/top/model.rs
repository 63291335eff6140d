//! What is known of the rack, and what the keys chose. No terminal and no network.

use std::collections::VecDeque;
use std::time::Instant;

use ratatui::crossterm::event::KeyCode;

use super::feed::Look;

/// Looks that the sparklines remember.
const HISTORY_MAX: usize = 240;

/// What fills the lower half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tab {
    /// Bees and their devices.
    Bees,
    /// Jobs by state, and epochs.
    Queue,
    /// The site's power.
    Power,
    /// Fees, epochs.
    Money,
}

impl Tab {
    /// All, in the order of the tab key.
    pub const ALL: [Self; 4] = [Self::Bees, Self::Queue, Self::Power, Self::Money];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bees => "Bees",
            Self::Queue => "Queue",
            Self::Power => "Power",
            Self::Money => "Money",
        }
    }

    fn at(self, steps: usize) -> Self {
        let here = Self::ALL.iter().position(|tab| *tab == self).unwrap_or(0);
        Self::ALL[(here + steps) % Self::ALL.len()]
    }
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Draw again.
    On,
    /// End.
    Quit,
}

/// The numbers of one look, for the sparklines. What nobody measured is `None` and leaves a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Jobs that wait.
    pub waiting: u64,
    /// Jobs that bees hold.
    pub working: u64,
    /// Watts of all bees that say.
    pub watts: Option<u64>,
    /// Watts from the sun.
    pub solar: Option<u64>,
    /// Mean use of all devices that say, in percent.
    pub use_percent: Option<u64>,
}

/// What is shown.
#[derive(Debug)]
pub struct Model {
    /// The queen's address.
    pub url: String,
    /// The last look that came.
    pub look: Option<Look>,
    /// When it came.
    pub heard_at_instant: Option<Instant>,
    /// Why the last look did not come, if so.
    pub away: Option<String>,
    /// Oldest first.
    pub history: VecDeque<Point>,
    /// What is chosen.
    pub tab: Tab,
    /// Whether the help is open.
    pub help: bool,
}

impl Model {
    /// Nothing is known yet.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            look: None,
            heard_at_instant: None,
            away: None,
            history: VecDeque::new(),
            tab: Tab::Bees,
            help: false,
        }
    }

    /// Takes a look. One that failed leaves the old picture, which says how old it is.
    pub fn update(&mut self, look: Result<Look, String>, now: Instant) {
        match look {
            Ok(look) => {
                self.history.push_back(Point::of(&look));
                while self.history.len() > HISTORY_MAX {
                    self.history.pop_front();
                }
                self.look = Some(look);
                self.heard_at_instant = Some(now);
                self.away = None;
            }
            Err(why) => self.away = Some(why),
        }
    }

    /// Does what a key asks.
    pub fn key(&mut self, key: KeyCode) -> Flow {
        match key {
            KeyCode::Char('q') => return Flow::Quit,
            KeyCode::Esc if !self.help => return Flow::Quit,
            KeyCode::Esc => self.help = false,
            KeyCode::Char('?') => self.help = !self.help,
            KeyCode::Tab | KeyCode::Right => self.tab = self.tab.at(1),
            KeyCode::BackTab | KeyCode::Left => self.tab = self.tab.at(Tab::ALL.len() - 1),
            _ => {}
        }
        Flow::On
    }
}

impl Point {
    fn of(look: &Look) -> Self {
        let (waiting, working) = look.status.queue();
        let last = || {
            look.samples
                .iter()
                .filter_map(|(_, samples)| samples.last())
        };
        let milliwatts: Vec<u64> = last()
            .filter_map(|sample| sample.power_milliwatts)
            .map(u64::from)
            .collect();
        let uses: Vec<u64> = last()
            .filter_map(|sample| sample.utilisation_percent)
            .map(u64::from)
            .collect();
        Self {
            waiting,
            working,
            watts: (!milliwatts.is_empty()).then(|| milliwatts.iter().sum::<u64>() / 1_000),
            solar: look
                .status
                .power
                .solar
                .watts
                .and_then(|watts| u64::try_from(watts).ok()),
            use_percent: (!uses.is_empty()).then(|| uses.iter().sum::<u64>() / uses.len() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_round_help_opens_and_q_quits() {
        let mut model = Model::new("http://queen");
        for tab in [Tab::Queue, Tab::Power, Tab::Money, Tab::Bees] {
            assert_eq!(model.key(KeyCode::Tab), Flow::On);
            assert_eq!(model.tab, tab);
        }
        model.key(KeyCode::BackTab);
        assert_eq!(model.tab, Tab::Money);
        model.key(KeyCode::Char('?'));
        assert!(model.help);
        assert_eq!((model.key(KeyCode::Esc), model.help), (Flow::On, false));
        assert_eq!(model.key(KeyCode::Char('x')), Flow::On);
        assert_eq!(model.key(KeyCode::Char('q')), Flow::Quit);
    }
}
