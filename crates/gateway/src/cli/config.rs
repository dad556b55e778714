//! `answer-gateway config`: every setting as it takes effect, or the reference page.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::Settings;
use crate::config::{Command, Effective, Environment, Resolved, reference};

/// What `config` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  answer-gateway config
  answer-gateway config --config gateway.toml --format json
  answer-gateway config --command demo
  answer-gateway config --reference > docs/configuration.md

Secrets are shown as ***. The exit code is 1 when a setting is wrong; what is wrong goes to standard error.")]
pub struct Arguments {
    /// Settings to show, as `run` would be given them.
    #[command(flatten)]
    pub settings: Settings,
    /// The command whose settings are shown
    #[arg(long, value_enum, default_value_t = For::Run)]
    command: For,
    /// How they are shown
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Print the reference of all settings, in Markdown, instead
    #[arg(long)]
    reference: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum For {
    Run,
    Demo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns for people
    Table,
    /// One JSON object: {"section.key": {"value": …, "origin": …}}
    Json,
}

/// Prints what was asked for to `out`, mistakes to `err`. Returns the exit code: 0, or 1 when a
/// setting is wrong.
///
/// # Errors
///
/// When `out` or `err` cannot be written.
pub fn run(
    arguments: &Arguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    if arguments.reference {
        out.write_all(reference().as_bytes())?;
        return Ok(0);
    }
    let command = match arguments.command {
        For::Run => Command::Run,
        For::Demo => Command::Demo,
    };
    let resolved = Resolved::from(&arguments.settings.inputs(command, environment));
    match arguments.format {
        Format::Table => write_table(out, &resolved.effective)?,
        Format::Json => write_json(out, &resolved.effective)?,
    }
    match resolved.outcome {
        Ok(loaded) => {
            for warning in loaded.warnings {
                writeln!(err, "warning: {warning}")?;
            }
            Ok(0)
        }
        Err(errors) => {
            writeln!(err, "{errors}")?;
            Ok(1)
        }
    }
}

fn write_table(out: &mut dyn Write, settings: &[Effective]) -> io::Result<()> {
    /// A longer value moves its own line's origin, not everybody's.
    const WIDEST: usize = 40;
    let value = |setting: &Effective| setting.value.clone().unwrap_or_else(|| "–".to_owned());
    let key_width = settings.iter().map(|setting| setting.key.len()).max();
    let value_widths = settings
        .iter()
        .map(|setting| value(setting).chars().count());
    let value_width = value_widths.filter(|width| *width <= WIDEST).max();
    let (key_width, value_width) = (key_width.unwrap_or(0), value_width.unwrap_or(0));
    writeln!(
        out,
        "{:key_width$}  {:value_width$}  ORIGIN",
        "SETTING", "VALUE"
    )?;
    for setting in settings {
        let (key, value, origin) = (&setting.key, value(setting), &setting.origin);
        writeln!(out, "{key:key_width$}  {value:value_width$}  {origin}")?;
    }
    Ok(())
}

fn write_json(out: &mut dyn Write, settings: &[Effective]) -> io::Result<()> {
    let entry = |setting: &Effective| {
        let entry = json!({ "value": setting.value, "origin": setting.origin.as_str() });
        (setting.key.clone(), entry)
    };
    let object = Value::Object(settings.iter().map(entry).collect::<Map<_, _>>());
    writeln!(out, "{object:#}")
}
