//! What the generated table is made of.

/// Versions `first` to `last`, both inclusive; none where `last` is below `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) first: i16,
    pub(super) last: i16,
}

impl Versions {
    pub(super) const fn contains(self, version: i16) -> bool {
        self.first <= version && version <= self.last
    }
}

/// Versions `first` to `last`, both inclusive.
pub(super) const fn v(first: i16, last: i16) -> Versions {
    Versions { first, last }
}

/// No version.
pub(super) const NONE: Versions = v(0, -1);

/// One request.
#[derive(Debug)]
pub(super) struct Request {
    /// Key of the API.
    pub(super) key: i16,
    /// Name of the API.
    pub(super) name: &'static str,
    /// Versions of the schema.
    pub(super) versions: Versions,
    /// Versions with compact lengths and tagged fields.
    pub(super) flexible: Versions,
    /// Fields in the order of the wire.
    pub(super) fields: &'static [Field],
}

/// One field of a structure.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    /// Kafka's name of the field.
    pub(super) name: &'static str,
    /// Versions that have the field.
    pub(super) versions: Versions,
    /// Versions in which it may be null.
    pub(super) nullable: Versions,
    /// Its type.
    pub(super) kind: Kind,
    /// Its tag, if it has one, and the versions in which it stands among the tagged fields.
    pub(super) tag: Option<(u32, Versions)>,
}

/// Type of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A number, boolean or uuid of as many bytes.
    Fixed(u8),
    /// A string.
    String,
    /// Bytes or records.
    Bytes,
    /// A structure.
    Struct(&'static [Field]),
    /// An array of numbers, booleans or uuids of as many bytes each.
    FixedArray(u8),
    /// An array of strings.
    StringArray,
    /// An array of structures of at least as many bytes each, in every version.
    StructArray(u8, &'static [Field]),
}

/// A field outside the tagged fields.
pub(super) const fn field(
    name: &'static str,
    versions: Versions,
    nullable: Versions,
    kind: Kind,
) -> Field {
    Field {
        name,
        versions,
        nullable,
        kind,
        tag: None,
    }
}

impl Field {
    /// The same field, in some versions among the tagged fields.
    pub(super) const fn tagged(mut self, tag: u32, versions: Versions) -> Self {
        self.tag = Some((tag, versions));
        self
    }

    /// True where the field stands among the tagged fields.
    pub(super) const fn is_tagged(&self, version: i16) -> bool {
        match self.tag {
            Some((_, versions)) => versions.contains(version),
            None => false,
        }
    }
}
