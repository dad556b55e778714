//! What one setting is, and how a section of settings is declared.
//!
//! A setting is declared once, as a field of its section: the macro makes the typed field and the
//! row of the key table from the same line, so they cannot differ.

use super::kind::Kind;
use super::values::Values;

/// One setting: its names, its default and its meaning.
#[derive(Debug)]
pub struct Key {
    /// Its name in a file and in `--set`: `section.key`.
    pub name: &'static str,
    /// What it is, in a line or two.
    pub doc: &'static str,
    /// What a right value looks like.
    pub right: &'static str,
    /// What it is when nobody sets it.
    pub default: Default,
    /// Other environment variables it is known by.
    pub aliases: &'static [&'static str],
    /// True when its value must never be shown, and may come from a file.
    pub secret: bool,
    /// True when it holds a value for each of a set of free names.
    pub map: bool,
    /// True when `demo`, which brings a broker and a registry of its own, leaves it aside.
    pub outside_demo: bool,
}

impl Key {
    /// A key with what its kind says about it, and nothing else.
    pub(crate) const fn of<T>(kind: &Kind<T>) -> Self {
        Self {
            name: "",
            doc: "",
            right: kind.right,
            default: Default::Unset,
            aliases: &[],
            secret: kind.secret,
            map: kind.map,
            outside_demo: false,
        }
    }

    /// What every variable of the gateway's own begins with.
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

/// What a setting is when nobody sets it.
#[derive(Debug, Clone, Copy)]
pub enum Default {
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
        /// How, for the reference.
        says: &'static str,
        /// The computation; `None` when a setting it needs is wrong.
        compute: fn(&Values) -> Option<String>,
    },
}

/// A section's name, meaning and keys.
#[derive(Debug)]
pub struct Table {
    /// Its name in a file: the part before a key's last `.`.
    pub name: &'static str,
    /// What it is about.
    pub doc: &'static str,
    /// Its settings, in the order of the reference.
    pub keys: &'static [Key],
}

/// A typed section.
pub(crate) trait Section: Sized {
    /// Its rows of the key table.
    const TABLE: Table;

    /// Reads every setting of it; `None` when one is wrong, each of which is then a problem in `values`.
    fn read(values: &mut Values) -> Option<Self>;
}

/// A field that may, or may not, do without a value.
pub(crate) trait Presence<T>: Sized {
    fn present(value: T) -> Self;
    /// The field without a value; `None` when it needs one.
    fn absent() -> Option<Self>;
}

impl<T> Presence<T> for T {
    fn present(value: T) -> Self {
        value
    }

    fn absent() -> Option<Self> {
        None
    }
}

impl<T> Presence<T> for Option<T> {
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

        impl $crate::config::key::Section for $name {
            const TABLE: $crate::config::key::Table = $crate::config::key::Table {
                name: $section,
                doc: concat!($($about),+),
                keys: &[$(
                    $crate::config::key::Key {
                        name: concat!($section, ".", stringify!($field)),
                        doc: concat!($($doc),+),
                        default: $default,
                        $($option: $value,)*
                        ..$crate::config::key::Key::of(&$kind)
                    },
                )+],
            };

            fn read(values: &mut $crate::config::values::Values) -> Option<Self> {
                $( let $field = values.read(concat!($section, ".", stringify!($field)), &$kind); )+
                Some(Self { $( $field: $field?, )+ })
            }
        }
    };
}

pub(crate) use section;
