//! Describes one setting, and declares sections of settings.
//!
//! A setting is declared once, as a field of its section: the macro makes the typed field and the
//! row of the key table from the same line, so they cannot differ.

use super::kind::ValueParser;
use super::values::ConfigValues;

/// One setting: its names, its default and its meaning.
#[derive(Debug)]
pub struct ConfigKey {
    /// Its name in a file and in `--set`: `section.key`.
    pub name: &'static str,
    /// The meaning, in a line or two.
    pub doc: &'static str,
    /// The form of a right value.
    pub expected: &'static str,
    /// The value when nobody sets it.
    pub default: DefaultValue,
    /// Other environment variables it is known by.
    pub aliases: &'static [&'static str],
    /// True when its value must never be shown, and may come from a file.
    pub secret: bool,
    /// True when it holds a value for each of a set of free names.
    pub map: bool,
    /// True when `demo`, which brings a broker and a registry of its own, leaves it aside.
    pub outside_demo: bool,
}

impl ConfigKey {
    /// A key with what its kind says about it, and nothing else.
    pub(crate) const fn with_kind<T>(kind: &ValueParser<T>) -> Self {
        Self {
            name: "",
            doc: "",
            expected: kind.expected,
            default: DefaultValue::Unset,
            aliases: &[],
            secret: kind.secret,
            map: kind.map,
            outside_demo: false,
        }
    }

    /// The prefix of the gateway's own environment variables.
    pub const ENV_PREFIX: &'static str = "GATEWAY__";

    /// Its own environment variable: `GATEWAY__SECTION__KEY`.
    pub fn env(&self) -> String {
        let name = self.name.replace('.', "__").to_uppercase();
        format!("{}{name}", Self::ENV_PREFIX)
    }

    /// Its own environment variable, then its aliases.
    pub fn env_names(&self) -> impl Iterator<Item = String> {
        let aliases = self.aliases.iter().map(|alias| (*alias).to_owned());
        std::iter::once(self.env()).chain(aliases)
    }
}

/// The value of a setting when nobody sets it.
#[derive(Debug, Clone, Copy)]
pub enum DefaultValue {
    /// Nothing: the setting is optional.
    Unset,
    /// This.
    Is(&'static str),
    /// This for `run` (`None`: it must be set), that for `demo`.
    ByCommand {
        /// For `run`.
        run: Option<&'static str>,
        /// For `demo`.
        demo: &'static str,
    },
    /// Computed from other settings, none of which is computed itself.
    From {
        /// The rule in words, for the reference.
        says: &'static str,
        /// The computation; `None` when a setting it needs is wrong.
        compute: fn(&ConfigValues) -> Option<String>,
    },
}

/// A section's name, meaning and keys.
#[derive(Debug)]
pub struct SectionTable {
    /// Its name in a file: the part before a key's last `.`.
    pub name: &'static str,
    /// The subject of the section.
    pub doc: &'static str,
    /// Its settings, in the order of the reference.
    pub keys: &'static [ConfigKey],
}

/// A typed section.
pub(crate) trait ConfigSection: Sized {
    /// Its rows of the key table.
    const TABLE: SectionTable;

    /// Reads every setting of it; `None` when one is wrong, each of which is then a problem in `values`.
    fn read(values: &mut ConfigValues) -> Option<Self>;
}

/// A field that may, or may not, do without a value.
pub(crate) trait FieldPresence<T>: Sized {
    fn present(value: T) -> Self;
    /// The field without a value; `None` when it needs one.
    fn absent() -> Option<Self>;
}

impl<T> FieldPresence<T> for T {
    fn present(value: T) -> Self {
        value
    }

    fn absent() -> Option<Self> {
        None
    }
}

impl<T> FieldPresence<T> for Option<T> {
    fn present(value: T) -> Self {
        Some(value)
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Declares a section: a struct, its rows of the key table, and how it is read.
macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident $section:literal {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $kind:expr, $default:expr $(, $option:ident: $value:expr)*;
            )+
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        impl $crate::config::key::ConfigSection for $name {
            const TABLE: $crate::config::key::SectionTable = $crate::config::key::SectionTable {
                name: $section,
                doc: concat!($($about),+),
                keys: &[$(
                    $crate::config::key::ConfigKey {
                        name: concat!($section, ".", stringify!($field)),
                        doc: concat!($($doc),+),
                        default: $default,
                        $($option: $value,)*
                        ..$crate::config::key::ConfigKey::with_kind(&$kind)
                    },
                )+],
            };

            fn read(values: &mut $crate::config::values::ConfigValues) -> Option<Self> {
                $( let $field = values.read(concat!($section, ".", stringify!($field)), &$kind); )+
                Some(Self { $( $field: $field?, )+ })
            }
        }
    };
}

pub(crate) use section;
