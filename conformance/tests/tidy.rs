//! The rules of the house that neither the compiler nor clippy knows. Every message names the file,
//! the rule and the way out.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines of production code in one file.
const FILE_LINES_MAX: usize = 600;

/// Which of our packages a package may use. A new edge needs its own commit with its reason.
const EDGES: &[(&str, &[&str])] = &[
    ("protocol", &[]),
    ("log", &["protocol"]),
    ("cluster", &["protocol"]),
    ("broker", &["protocol", "log", "cluster"]),
    ("server", &["protocol", "log", "cluster", "broker"]),
    ("simulation", &["protocol", "log", "cluster"]),
    (
        "conformance",
        &[
            "protocol",
            "log",
            "cluster",
            "broker",
            "server",
            "simulation",
        ],
    ),
];

/// Packages that must not pull in a runtime.
const PURE: &[&str] = &["protocol", "log", "cluster", "simulation"];

/// Names that say nothing.
const NAMES: &[&str] = &[
    "core", "common", "types", "util", "utils", "helper", "helpers", "misc",
];

/// Text that must not stand in Rust code: what, in tests only, and the way out.
const TEXTS: &[(&str, bool, &str)] = &[
    (
        concat!("FIX", "ME"),
        false,
        "mend it, or open an issue and write a TODO with its number",
    ),
    (concat!("dbg", "!("), false, "remove it, or use tracing"),
    (
        concat!("todo", "!("),
        false,
        "build it, or leave the row out of its table",
    ),
    (
        concat!("unimplemented", "!("),
        false,
        "build it, or leave the row out of its table",
    ),
    (
        concat!("#[ign", "ore"),
        false,
        "mend the test, or move it to `make conformance`",
    ),
    (
        concat!("should_", "panic"),
        false,
        "return an error and assert on it",
    ),
    (
        concat!("thread::", "sleep("),
        true,
        "wait for the event itself",
    ),
    (
        concat!("time::", "sleep("),
        true,
        "wait for the event itself",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("a workspace")
        .to_path_buf()
}

/// Every file of the tree that is ours.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() {
            let skipped = [
                "target",
                "bin",
                "node_modules",
                ".git",
                ".setup",
                "corpus",
                "milena-data",
            ];
            if !skipped.contains(&name) {
                files(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&root(), &mut found);
    found
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| {
            let text = fs::read_to_string(&path).expect("UTF-8");
            (
                path.strip_prefix(root())
                    .expect("below the root")
                    .to_path_buf(),
                text,
            )
        })
        .collect()
}

fn is_test_file(path: &Path) -> bool {
    path.components().any(|part| {
        let part = part.as_os_str();
        part == "tests" || part == "benches" || part == "fuzz_targets"
    }) || path.file_name().is_some_and(|name| name == "tests.rs")
}

fn report(faults: &[String]) {
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn files_are_short() {
    let mut faults = Vec::new();
    for (path, text) in rust_files() {
        if is_test_file(&path) || text.starts_with("// @generated") {
            continue;
        }
        let production = text
            .lines()
            .position(|line| line.starts_with("#[cfg(test)]"))
            .unwrap_or_else(|| text.lines().count());
        if production > FILE_LINES_MAX {
            faults.push(format!(
                "{}: {production} lines of production code, at most {FILE_LINES_MAX}: find the \
                 second thing that it does and give it a file",
                path.display()
            ));
        }
    }
    report(&faults);
}

#[test]
fn names_say_something() {
    let mut faults = Vec::new();
    for (path, _) in rust_files() {
        for part in path.components() {
            let part = part.as_os_str().to_string_lossy();
            if NAMES.contains(&part.trim_end_matches(".rs")) {
                faults.push(format!(
                    "{}: '{part}' says nothing: name it after what it holds",
                    path.display()
                ));
            }
        }
    }
    report(&faults);
}

#[test]
fn forbidden_text_is_absent() {
    let mut faults = Vec::new();
    for (path, text) in rust_files() {
        let mut in_tests = is_test_file(&path);
        for (index, line) in text.lines().enumerate() {
            in_tests |= line.starts_with("#[cfg(test)]");
            for (what, tests_only, way_out) in TEXTS {
                if line.contains(what) && (in_tests || !tests_only) {
                    faults.push(format!(
                        "{}:{}: {what}: {way_out}",
                        path.display(),
                        index + 1
                    ));
                }
            }
            if line.contains("TODO") && !line.contains("TODO(#") && !path.ends_with("tidy.rs") {
                faults.push(format!(
                    "{}:{}: a TODO needs the number of an issue: TODO(#123)",
                    path.display(),
                    index + 1
                ));
            }
        }
    }
    report(&faults);
}

#[test]
fn machines_have_no_world() {
    let words = [
        "async fn",
        ".await",
        "tokio::",
        "SystemTime",
        "Instant",
        "std::fs",
        "HashMap",
        "rand::",
    ];
    let mut faults = Vec::new();
    for (path, text) in rust_files() {
        let pure = path.file_name().is_some_and(|name| name == "machine.rs")
            || path.starts_with("cluster/src");
        if !pure {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for word in words {
                if code.contains(word) {
                    faults.push(format!(
                        "{}:{}: a state machine has no {word}: take it as a value from the shell",
                        path.display(),
                        index + 1
                    ));
                }
            }
        }
    }
    report(&faults);
}

/// Our packages named in the sections of a manifest that ship.
fn edges(manifest: &str) -> Vec<String> {
    let mut ships = false;
    let mut found = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            ships = line == "[dependencies]";
        } else if let (true, Some(rest)) = (ships, line.strip_prefix("milena-")) {
            let name = rest.split(['.', ' ', '=']).next().unwrap_or_default();
            found.push(name.to_owned());
        }
    }
    found
}

#[test]
fn packages_depend_downwards() {
    let allowed: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let mut faults = Vec::new();
    let workspace = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace manifest");
    for entry in fs::read_dir(root()).expect("the root") {
        let directory = entry.expect("an entry").path();
        let manifest = directory.join("Cargo.toml");
        let name = directory
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        let Ok(text) = fs::read_to_string(&manifest) else {
            continue;
        };
        if !workspace.contains(&format!("\"{name}\"")) {
            continue;
        }
        let Some(may_use) = allowed.get(name.as_str()) else {
            faults.push(format!(
                "{name}: a new package needs a row in EDGES of tidy.rs"
            ));
            continue;
        };
        for used in edges(&text) {
            if !may_use.contains(&used.as_str()) {
                faults.push(format!(
                    "{name}/Cargo.toml: may not use {used}: move the code down, or add the edge to \
                     EDGES in a commit of its own that says why"
                ));
            }
        }
    }
    report(&faults);
}

#[test]
fn pure_packages_pull_in_no_runtime() {
    for name in PURE {
        let output = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--locked",
                "--edges",
                "normal,build",
                "--prefix",
                "none",
            ])
            .args(["-p", &format!("milena-{name}")])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let tree = String::from_utf8(output.stdout).expect("UTF-8");
        let runtime = tree
            .lines()
            .find(|line| line.starts_with("tokio ") || line.starts_with("mio "));
        assert_eq!(
            runtime, None,
            "{name} must stay pure: find which dependency brings it in"
        );
    }
}

#[test]
fn every_package_takes_the_workspace_lints() {
    for (name, _) in EDGES {
        let path = root().join(name).join("Cargo.toml");
        let text = fs::read_to_string(&path).expect("a manifest");
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{name}/Cargo.toml: add the lints"
        );
    }
}
