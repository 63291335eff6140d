//! What clients and payees call.

use alloy::primitives::Address;
use swarm_contracts::SwarmEscrow::{self, SwarmEscrowErrors as E, SwarmEscrowEvents as V};

use super::{Caller, Done, Effects, Escrow, ensure, matured, said};

impl Escrow {
    /// `deposit(amount)` and `depositFor(client, amount)`
    pub fn deposit(&mut self, by: Caller, client: Address, amount: u64) -> Done {
        self.not_paused(by.now)?;
        let sum = self.liabilities.checked_add(amount);
        let sum = sum.ok_or(E::AmountTooLarge(SwarmEscrow::AmountTooLarge { amount }))?;
        ensure(!client.is_zero(), || {
            E::ZeroAddress(SwarmEscrow::ZeroAddress {})
        })?;
        ensure(amount > 0, || E::ZeroAmount(SwarmEscrow::ZeroAmount {}))?;
        self.liabilities = sum;
        self.accounts.entry(client).or_default().balance += amount;
        let event = SwarmEscrow::Deposited {
            client,
            from: by.from,
            amount,
        };
        Ok(Effects {
            transfers: vec![(by.from, self.domain.escrow, amount)],
            events: vec![V::Deposited(event)],
        })
    }

    /// `requestWithdrawal(amount)`
    pub fn request_withdrawal(&mut self, by: Caller, amount: u64) -> Done {
        ensure(amount > 0, || E::ZeroAmount(SwarmEscrow::ZeroAmount {}))?;
        let mut a = self.accounts.get(&by.from).copied().unwrap_or_default();
        self.book(&mut a, by.now);
        let all = a.balance + a.pending;
        ensure(all > 0, || {
            E::NothingToWithdraw(SwarmEscrow::NothingToWithdraw { client: by.from })
        })?;
        a.withdrawing = amount.min(all);
        a.matures_at = by.now + self.params.exit_delay;
        self.accounts.insert(by.from, a);
        Ok(said(V::WithdrawalRequested(
            SwarmEscrow::WithdrawalRequested {
                client: by.from,
                amount: a.withdrawing,
                maturesAt: a.matures_at,
            },
        )))
    }

    /// `withdraw(to)`
    pub fn withdraw(&mut self, by: Caller, to: Address) -> Done {
        let mut a = self.accounts.get(&by.from).copied().unwrap_or_default();
        self.book(&mut a, by.now);
        let amount = match by.now < self.escape_at(by.now) {
            true => matured(&a, a.balance, by.now),
            false => a.balance,
        };
        ensure(amount > 0, || {
            E::NothingToWithdraw(SwarmEscrow::NothingToWithdraw { client: by.from })
        })?;
        self.payable(to)?;
        a.balance -= amount;
        (a.withdrawing, a.matures_at) = (0, 0);
        self.accounts.insert(by.from, a);
        let event = SwarmEscrow::Withdrawn {
            client: by.from,
            to,
            amount,
        };
        Ok(self.pay(to, amount, V::Withdrawn(event)))
    }

    /// `setCap(cap)`
    pub fn set_cap(&mut self, by: Caller, cap: u64) -> Done {
        let mut a = self.accounts.get(&by.from).copied().unwrap_or_default();
        let current = self.cap(&a, by.now);
        let mut effective_at = by.now;
        if cap >= current {
            (a.cap, a.next_cap, a.next_cap_at) = (Some(cap), 0, 0);
        } else {
            effective_at += self.params.exit_delay;
            (a.cap, a.next_cap, a.next_cap_at) = (Some(current), cap, effective_at);
        }
        self.accounts.insert(by.from, a);
        Ok(said(V::CapChanged(SwarmEscrow::CapChanged {
            client: by.from,
            cap,
            effectiveAt: effective_at,
        })))
    }

    /// `addOrderSigner(signer)`
    pub fn add_order_signer(&mut self, by: Caller, signer: Address) -> Done {
        let client = by.from;
        ensure(!signer.is_zero(), || {
            E::ZeroAddress(SwarmEscrow::ZeroAddress {})
        })?;
        let s = self.signers.entry((client, signer)).or_default();
        ensure(!s.added || s.removed_at != 0, || {
            E::SignerAlreadyAdded(SwarmEscrow::SignerAlreadyAdded { client, signer })
        })?;
        (s.added, s.removed_at) = (true, 0);
        Ok(said(V::OrderSignerAdded(SwarmEscrow::OrderSignerAdded {
            client,
            signer,
        })))
    }

    /// `removeOrderSigner(signer)`
    pub fn remove_order_signer(&mut self, by: Caller, signer: Address) -> Done {
        let client = by.from;
        let s = self.signers.entry((client, signer)).or_default();
        ensure(s.added && s.removed_at == 0, || {
            E::SignerNotAdded(SwarmEscrow::SignerNotAdded { client, signer })
        })?;
        s.removed_at = by.now + self.params.exit_delay;
        Ok(said(V::OrderSignerRemoved(
            SwarmEscrow::OrderSignerRemoved {
                client,
                signer,
                effectiveAt: s.removed_at,
            },
        )))
    }

    // Payees

    /// `claim(to)` and `claimFor(payee)`
    pub fn claim(&mut self, by: Caller, payee: Address, to: Address) -> Done {
        let mut p = self.payees.get(&payee).copied().unwrap_or_default();
        self.book_payee(&mut p, by.now);
        let amount = p.claimable;
        ensure(amount > 0, || {
            E::NothingToClaim(SwarmEscrow::NothingToClaim { payee })
        })?;
        self.payable(to)?;
        p.claimable = 0;
        self.payees.insert(payee, p);
        let event = SwarmEscrow::Claimed { payee, to, amount };
        Ok(self.pay(to, amount, V::Claimed(event)))
    }

    fn payable(&self, to: Address) -> Done<()> {
        ensure(!to.is_zero(), || {
            E::ZeroAddress(SwarmEscrow::ZeroAddress {})
        })?;
        ensure(to != self.domain.escrow, || {
            E::PaymentToEscrow(SwarmEscrow::PaymentToEscrow {})
        })
    }

    fn pay(&mut self, to: Address, amount: u64, event: V) -> Effects {
        self.liabilities -= amount;
        Effects {
            transfers: vec![(self.domain.escrow, to, amount)],
            events: vec![event],
        }
    }
}
