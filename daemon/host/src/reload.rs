//! What a reload may change: two configurations are compared key by key.

use serde::Serialize;
use serde_json::Value;

/// A new configuration cannot be taken while the daemon runs.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReloadError {
    /// Keys that count from the start on.
    #[error("a restart is needed for {}", .0.join(", "))]
    NeedsRestart(Vec<String>),
    /// A configuration that was read cannot be written. It has no reason not to.
    #[error("the configurations cannot be compared: {0}")]
    Compare(String),
}

/// The keys in which `new` differs from `old`, each a key of `can_change` or below one.
///
/// # Errors
/// [`ReloadError::NeedsRestart`] with every other key that differs.
pub fn changes<T: Serialize>(
    old: &T,
    new: &T,
    can_change: &[&str],
) -> Result<Vec<String>, ReloadError> {
    let value =
        |config: &T| serde_json::to_value(config).map_err(|e| ReloadError::Compare(e.to_string()));
    let mut keys = Vec::new();
    differing("", &value(old)?, &value(new)?, &mut keys);
    let fixed: Vec<String> = keys
        .iter()
        .filter(|key| !can_change.iter().any(|can| is_below(key, can)))
        .cloned()
        .collect();
    if fixed.is_empty() {
        Ok(keys)
    } else {
        Err(ReloadError::NeedsRestart(fixed))
    }
}

fn is_below(key: &str, parent: &str) -> bool {
    key.strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn differing(at: &str, old: &Value, new: &Value, keys: &mut Vec<String>) {
    if old == new {
        return;
    }
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        keys.push(at.to_owned());
        return;
    };
    let added = after.keys().filter(|key| !before.contains_key(*key));
    for key in before.keys().chain(added) {
        let below = match at {
            "" => key.clone(),
            at => format!("{at}.{key}"),
        };
        let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
        differing(&below, &of(before), &of(after), keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_can_change_is_named_and_what_cannot_is_refused() {
        let old = json!({"a": 1, "limits": {"x": 1, "y": 2}, "list": [1]});
        let can = ["limits.x", "list"];
        assert_eq!(changes(&old, &old, &can), Ok(vec![]));
        let new = json!({"a": 1, "limits": {"x": 2, "y": 2}, "list": [1, 2]});
        let keys = ["limits.x", "list"].map(String::from).to_vec();
        assert_eq!(changes(&old, &new, &can), Ok(keys));
        let new = json!({"a": 2, "limits": {"x": 2}, "list": [1], "b": null, "c": 1});
        let keys = ["a", "limits.y", "c"].map(String::from).to_vec();
        let refused = changes(&old, &new, &can).expect_err("refused");
        assert_eq!(refused, ReloadError::NeedsRestart(keys));
        assert_eq!(
            refused.to_string(),
            "a restart is needed for a, limits.y, c"
        );
        assert!(!is_below("limits.xy", "limits.x"));
    }
}
