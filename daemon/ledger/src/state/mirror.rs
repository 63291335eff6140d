//! A client's account on chain, folded from its events in their order.

use swarm_types::escrow::EscrowEvent;

use crate::error::LedgerError;
use crate::limits::AMOUNT_MAX;
use crate::records::MirrorAccount;
use crate::sql::values::Columns;

/// The latest time the tables can hold.
const TIME_MAX: u64 = i64::MAX.cast_unsigned();

/// What the events so far say.
pub(crate) type Mirror = MirrorAccount;

impl MirrorAccount {
    /// Reads it from six columns in the order of the fields.
    pub(crate) fn read(c: &mut Columns<'_, '_>) -> Result<Self, LedgerError> {
        Ok(Self {
            balance: c.get()?,
            withdrawing: c.get()?,
            matures_at: c.get()?,
            cap: c.get()?,
            cap_effective_at: c.get()?,
            cap_before: c.get()?,
        })
    }

    /// The account after `event`, which concerns this client and happened at `time` (Unix seconds of its
    /// block). Events that do not concern accounts change nothing.
    #[must_use]
    pub(crate) fn after(mut self, event: &EscrowEvent, time: u64) -> Self {
        match *event {
            EscrowEvent::Deposited { amount, .. } => self.balance += amount.0.cast_signed(),
            EscrowEvent::WithdrawalRequested {
                amount, matures_at, ..
            } => {
                self.withdrawing = amount.0;
                self.matures_at = matures_at.min(TIME_MAX);
            }
            EscrowEvent::Withdrawn { amount, .. } => {
                self.balance -= amount.0.cast_signed();
                // A payment ends the request, however much of it the balance still covered; an escape
                // after the settlement timeout pays the whole balance and ends it too.
                self.withdrawing = 0;
                self.matures_at = 0;
            }
            EscrowEvent::CapChanged {
                cap, effective_at, ..
            } => {
                if time >= self.cap_effective_at {
                    self.cap_before = self.cap;
                }
                self.cap = Some(cap.0.min(AMOUNT_MAX));
                self.cap_effective_at = effective_at.min(TIME_MAX);
            }
            EscrowEvent::Charged { amount, .. } => self.balance -= amount.0.cast_signed(),
            EscrowEvent::SignerAdded { .. }
            | EscrowEvent::SignerRemoved { .. }
            | EscrowEvent::EpochSettled { .. }
            | EscrowEvent::Credited { .. }
            | EscrowEvent::EpochVoided { .. }
            | EscrowEvent::SettlementResumed
            | EscrowEvent::Claimed { .. } => {}
        }
        self
    }

    /// The account after the epoch that charged it `amount` was voided.
    #[must_use]
    pub(crate) fn uncharged(mut self, amount: u64) -> Self {
        self.balance += amount.cast_signed();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use swarm_types::{Address, MicroUsdc};

    #[test]
    fn a_life_of_an_account() {
        let client = Address::repeat_byte(1);
        let amount = |n| MicroUsdc(n);
        let mirror = Mirror::default()
            .after(
                &EscrowEvent::Deposited {
                    client,
                    amount: amount(100),
                },
                1,
            )
            .after(
                &EscrowEvent::WithdrawalRequested {
                    client,
                    amount: amount(40),
                    matures_at: 9,
                },
                2,
            )
            .after(
                &EscrowEvent::Charged {
                    epoch: 1,
                    client,
                    amount: amount(10),
                },
                3,
            );
        assert_eq!(
            (mirror.balance, mirror.withdrawing, mirror.matures_at),
            (90, 40, 9)
        );
        let part = mirror.after(
            &EscrowEvent::Withdrawn {
                client,
                amount: amount(30),
            },
            9,
        );
        assert_eq!(
            (part.balance, part.withdrawing, part.matures_at),
            (60, 0, 0),
            "a charge took part of what was requested; what was paid ends the request"
        );
        let all = part.after(
            &EscrowEvent::Withdrawn {
                client,
                amount: amount(60),
            },
            9,
        );
        assert_eq!((all.balance, all.withdrawing, all.matures_at), (0, 0, 0));
        assert_eq!(all.uncharged(10).balance, 10);
    }

    #[test]
    fn a_second_change_of_cap_keeps_the_one_in_force() {
        let client = Address::repeat_byte(1);
        let change = |cap, effective_at| EscrowEvent::CapChanged {
            client,
            cap: MicroUsdc(cap),
            effective_at,
        };
        let first = Mirror::default().after(&change(50, 10), 10);
        assert_eq!((first.cap_before, first.cap), (None, Some(50)));
        let lowered = first.after(&change(20, 100), 30);
        assert_eq!((lowered.cap_before, lowered.cap), (Some(50), Some(20)));
        let again = lowered.after(&change(30, 120), 40);
        assert_eq!((again.cap_before, again.cap), (Some(50), Some(30)));
    }
}
