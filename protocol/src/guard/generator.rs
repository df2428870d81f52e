//! Writes `table.rs` from the JSON schemas of Kafka's requests.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::shape::{NONE, Versions, v};
use crate::api;

const HEAD: &str = "\
// @generated
//! Shapes of the requests of Kafka 4.3. Generated from its JSON schemas by the test
//! `guard::generator::table_is_current`; do not edit.

use super::shape::Kind::{
    Bytes, Fixed, FixedArray, String, StringArray, Struct, StructArray,
};
use super::shape::{field, v, Field, Request, NONE};
";

#[test]
fn table_is_current() {
    let Some(schemas) = schemas() else { return };
    let mut constants = String::new();
    let mut rows = String::new();
    for schema in &schemas {
        let request = RequestSchema::new(schema);
        request.write(&mut constants, &mut rows);
    }
    let table = format!(
        "{HEAD}\n/// In ascending order of the keys.\npub(super) static REQUESTS: &[Request] = &[\n{rows}];\n\n{}\n",
        constants.trim_end()
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guard/table.rs");
    let committed = fs::read_to_string(&path).unwrap_or_default();
    if committed != table {
        fs::write(&path, table).unwrap();
        panic!("{} was stale and is rewritten: commit it", path.display());
    }
}

#[test]
fn api_rows_agree_with_the_schemas() {
    let Some(schemas) = schemas() else { return };
    assert_eq!(schemas.len(), api::APIS.len());
    for schema in &schemas {
        let request = RequestSchema::new(schema);
        let row = api::info(request.key).unwrap();
        let last = if row.name == "InitProducerId" {
            5
        } else {
            request.versions.last
        };
        let flexible_from = match text(schema, "flexibleVersions") {
            "none" => i16::MAX,
            versions => range(versions, v(0, i16::MAX)).first,
        };
        let listeners = schema["listeners"].as_array().unwrap();
        let expected = api::ApiInfo {
            key: request.key,
            name: row.name,
            min_version: request.versions.first,
            max_version: last,
            min_advertised: row.min_advertised,
            flexible_from,
            client_listener: listeners.iter().any(|listener| listener == "broker"),
        };
        assert_eq!(*row, expected);
        assert_eq!(row.name, request.name);
    }
}

/// The schemas of all requests in the order of their keys; none, with a message, where they are
/// not beside the repository.
///
/// In CI they must be there, since a test that silently checks nothing is worse than none.
fn schemas() -> Option<Vec<Value>> {
    let folder: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures/protocol-4.3");
    let Ok(entries) = fs::read_dir(&folder) else {
        let message = format!("the schemas of Kafka 4.3 are missing: {}", folder.display());
        assert!(std::env::var_os("CI").is_none(), "{message}");
        eprintln!("skipped: {message}");
        return None;
    };
    let mut schemas = BTreeMap::new();
    for entry in entries {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with("Request.json") {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let schema: Value = serde_json::from_str(&without_comments(&source)).unwrap();
        if text(&schema, "validVersions") != "none" {
            schemas.insert(schema["apiKey"].as_i64().unwrap(), schema);
        }
    }
    Some(schemas.into_values().collect())
}

/// Cuts `//` comments, but not within strings.
fn without_comments(source: &str) -> String {
    let mut out = String::new();
    for line in source.lines() {
        let mut in_string = false;
        let mut previous = ' ';
        for character in line.chars() {
            if character == '"' && previous != '\\' {
                in_string = !in_string;
            }
            if !in_string && previous == '/' && character == '/' {
                out.pop();
                break;
            }
            out.push(character);
            previous = character;
        }
        out.push('\n');
    }
    out
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} in {value}"))
}

/// The versions that a schema writes as `3`, `3+`, `3-5` or `none`, within `valid`.
fn range(versions: &str, valid: Versions) -> Versions {
    if versions == "none" {
        return NONE;
    }
    let (first, last) = if let Some(first) = versions.strip_suffix('+') {
        (first.parse().unwrap(), i16::MAX)
    } else if let Some((first, last)) = versions.split_once('-') {
        (first.parse().unwrap(), last.parse().unwrap())
    } else {
        let only = versions.parse().unwrap();
        (only, only)
    };
    within(v(first, last), valid)
}

fn within(versions: Versions, valid: Versions) -> Versions {
    let first = versions.first.max(valid.first);
    let last = versions.last.min(valid.last);
    if first <= last { v(first, last) } else { NONE }
}

/// Bytes of a type with a fixed size.
fn fixed(kind: &str) -> Option<u8> {
    Some(match kind {
        "bool" | "int8" => 1,
        "int16" | "uint16" => 2,
        "int32" | "uint32" => 4,
        "int64" | "float64" => 8,
        "uuid" => 16,
        _ => return None,
    })
}

struct RequestSchema<'a> {
    schema: &'a Value,
    key: i16,
    name: &'a str,
    versions: Versions,
    flexible: Versions,
}

impl<'a> RequestSchema<'a> {
    fn new(schema: &'a Value) -> Self {
        let versions = range(text(schema, "validVersions"), v(0, i16::MAX));
        Self {
            schema,
            key: i16::try_from(schema["apiKey"].as_i64().unwrap()).unwrap(),
            name: text(schema, "name").strip_suffix("Request").unwrap(),
            versions,
            flexible: range(text(schema, "flexibleVersions"), versions),
        }
    }

    fn write(&self, constants: &mut String, rows: &mut String) {
        let constant = screaming(self.name);
        writeln!(
            rows,
            "    Request {{ key: {}, name: {:?}, versions: {}, flexible: {}, fields: {constant} }},",
            self.key,
            self.name,
            shown(self.versions),
            shown(self.flexible),
        )
        .unwrap();
        self.write_fields(constants, &constant, &self.schema["fields"]);
    }

    /// Writes the constant of one structure, then those of the structures within it.
    fn write_fields(&self, constants: &mut String, constant: &str, fields: &Value) {
        let mut inner = Vec::new();
        writeln!(constants, "const {constant}: &[Field] = &[").unwrap();
        for field in fields.as_array().unwrap() {
            let versions = range(text(field, "versions"), self.versions);
            if versions == NONE {
                continue;
            }
            assert!(field.get("flexibleVersions").is_none(), "{field}");
            let name = text(field, "name");
            let nullable = match field.get("nullableVersions") {
                Some(nullable) => range(nullable.as_str().unwrap(), versions),
                None => NONE,
            };
            let kind = text(field, "type");
            let element = kind.strip_prefix("[]");
            let shape = match (fixed(element.unwrap_or(kind)), element.unwrap_or(kind)) {
                (Some(size), _) if element.is_some() => format!("FixedArray({size})"),
                (Some(size), _) => format!("Fixed({size})"),
                (None, "string") if element.is_some() => "StringArray".to_owned(),
                (None, "string") => "String".to_owned(),
                (None, "bytes" | "records") => {
                    assert!(element.is_none(), "{field}");
                    "Bytes".to_owned()
                }
                (None, structure) => {
                    let fields = self.structure(field, structure);
                    let constant = format!("{constant}_{}", screaming(name));
                    inner.push((constant.clone(), fields));
                    if element.is_some() {
                        let size_min = self.structure_bytes_min(fields);
                        format!("StructArray({size_min}, {constant})")
                    } else {
                        format!("Struct({constant})")
                    }
                }
            };
            write!(
                constants,
                "    field({name:?}, {}, {}, {shape})",
                shown(versions),
                shown(nullable)
            )
            .unwrap();
            if let Some(tag) = field.get("tag") {
                let tagged = range(text(field, "taggedVersions"), self.flexible);
                write!(constants, ".tagged({tag}, {})", shown(tagged)).unwrap();
            }
            constants.push_str(",\n");
        }
        constants.push_str("];\n\n");
        for (constant, fields) in inner {
            self.write_fields(constants, &constant, fields);
        }
    }

    /// Fields of a structure: its own or those of the common structure of this name.
    fn structure(&self, field: &'a Value, structure: &str) -> &'a Value {
        field.get("fields").unwrap_or_else(|| {
            self.schema["commonStructs"]
                .as_array()
                .and_then(|all| all.iter().find(|one| one["name"] == structure))
                .map_or_else(|| panic!("structure {structure}"), |one| &one["fields"])
        })
    }

    /// Bytes that the structure has at least, in every version.
    fn structure_bytes_min(&self, fields: &'a Value) -> usize {
        (self.versions.first..=self.versions.last)
            .map(|version| self.version_bytes_min(fields, version))
            .min()
            .unwrap()
            .min(255)
    }

    fn version_bytes_min(&self, fields: &'a Value, version: i16) -> usize {
        let flexible = self.flexible.contains(version);
        let mut size = usize::from(flexible);
        for field in fields.as_array().unwrap() {
            let versions = range(text(field, "versions"), self.versions);
            let is_tagged = field.get("taggedVersions").is_some_and(|tagged| {
                range(tagged.as_str().unwrap(), self.flexible).contains(version)
            });
            if !versions.contains(version) || is_tagged {
                continue;
            }
            let kind = text(field, "type");
            size += match (fixed(kind), kind) {
                (Some(size), _) => usize::from(size),
                (None, _) if flexible && (kind.starts_with("[]") || is_length_first(kind)) => 1,
                (None, "string") => 2,
                (None, _) if kind.starts_with("[]") || is_length_first(kind) => 4,
                (None, _) if field.get("nullableVersions").is_some() => 1,
                (None, structure) => {
                    self.version_bytes_min(self.structure(field, structure), version)
                }
            };
        }
        size
    }
}

fn is_length_first(kind: &str) -> bool {
    matches!(kind, "string" | "bytes" | "records")
}

fn shown(versions: Versions) -> String {
    if versions == NONE {
        return "NONE".to_owned();
    }
    format!("v({}, {})", versions.first, versions.last)
}

/// `TopicIds` as `TOPIC_IDS`.
fn screaming(name: &str) -> String {
    let mut out = String::new();
    let mut previous_is_lower = false;
    for character in name.chars() {
        if character.is_ascii_uppercase() && previous_is_lower {
            out.push('_');
        }
        previous_is_lower = !character.is_ascii_uppercase();
        out.push(character.to_ascii_uppercase());
    }
    out
}
