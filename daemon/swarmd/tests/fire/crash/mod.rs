//! `kill -9` at every point that is named in the code.
//!
//! A case arms a point, lets things happen until the process says that it is there, kills it from outside
//! and starts it again. A case whose point is not reached fails; a point without a case fails
//! [`every_point_has_a_case`].

mod job;
mod settlement;

use std::collections::BTreeSet;
use std::path::Path;

/// How the sources name a point.
const CALL: &str = "swarm_faults::point(";

/// Every point in the sources of the workspace, as often as it is named.
fn points_in(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            points_in(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            let calls = text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"));
            for call in calls.flat_map(|line| line.split(CALL).skip(1)) {
                let name = call.strip_prefix('"').and_then(|rest| rest.split_once('"'));
                let (name, _) =
                    name.unwrap_or_else(|| panic!("{}: not a plain name: {call}", path.display()));
                found.push(name.to_owned());
            }
        }
    }
}

#[test]
fn every_point_has_a_case_and_no_name_is_used_twice() {
    let daemon = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(daemon).expect("a directory") {
        let sources = entry.expect("an entry").path().join("src");
        if sources.is_dir() {
            points_in(&sources, &mut found);
        }
    }
    let named: BTreeSet<String> = found.iter().cloned().collect();
    assert_eq!(named.len(), found.len(), "a name is used twice: {found:?}");
    let visited = job::visited().into_iter().chain(settlement::visited());
    let visited: BTreeSet<String> = visited.map(str::to_owned).collect();
    let forgotten: Vec<_> = named.difference(&visited).collect();
    let gone: Vec<_> = visited.difference(&named).collect();
    assert!(
        forgotten.is_empty() && gone.is_empty(),
        "without a case: {forgotten:?}; not in the code: {gone:?}"
    );
}
