//! A client's cap per epoch.

use super::mirror::Mirror;

/// The cap that new orders are held to: while a change is on its way, the lower of the two, because an
/// order accepted now may be charged after it.
pub(crate) fn for_orders(mirror: &Mirror, default: u64, now: u64) -> u64 {
    let cap = mirror.cap.unwrap_or(default);
    if now < mirror.cap_effective_at {
        cap.min(mirror.cap_before.unwrap_or(default))
    } else {
        cap
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_on_its_way_counts_only_if_it_lowers() {
        let mut mirror = Mirror::default();
        assert_eq!(for_orders(&mirror, 70, 0), 70);
        mirror.cap = Some(20);
        mirror.cap_effective_at = 100;
        assert_eq!(for_orders(&mirror, 70, 99), 20);
        mirror.cap = Some(90);
        assert_eq!(for_orders(&mirror, 70, 99), 70);
        assert_eq!(for_orders(&mirror, 70, 100), 90);
    }
}
