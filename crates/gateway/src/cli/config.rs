//! `answer-gateway config`: every setting as it takes effect, or the reference page.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::ConfigArguments;
use crate::config::{EffectiveSetting, Environment, Purpose, ResolvedConfig, reference};

/// Arguments of `config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  answer-gateway config
  answer-gateway config --config gateway.toml --format json
  answer-gateway config --command demo
  answer-gateway config --reference > docs/configuration.md

Secrets are shown as ***. The exit code is 1 when a setting is wrong; what is wrong goes to standard error.")]
pub struct ConfigCommandArguments {
    /// Settings to show, as `run` would be given them.
    #[command(flatten)]
    pub settings: ConfigArguments,
    /// The command whose settings are shown
    #[arg(long, value_enum, default_value_t = ConfigFor::Run)]
    command: ConfigFor,
    /// The format of the settings
    #[arg(long, value_enum, default_value_t = ConfigFormat::Table)]
    format: ConfigFormat,
    /// Print the reference of all settings, in Markdown, instead
    #[arg(long)]
    reference: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ConfigFor {
    Run,
    Demo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ConfigFormat {
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
pub fn run_config(
    arguments: &ConfigCommandArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<u8> {
    if arguments.reference {
        out.write_all(reference().as_bytes())?;
        return Ok(0);
    }
    let command = match arguments.command {
        ConfigFor::Run => Purpose::Run,
        ConfigFor::Demo => Purpose::Demo,
    };
    let resolved = ResolvedConfig::from(&arguments.settings.inputs(command, environment));
    match arguments.format {
        ConfigFormat::Table => write_table(out, &resolved.effective)?,
        ConfigFormat::Json => write_json(out, &resolved.effective)?,
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

fn write_table(out: &mut dyn Write, settings: &[EffectiveSetting]) -> io::Result<()> {
    /// A longer value moves its own line's origin, not everybody's.
    const MAX_COLUMN: usize = 40;
    let value =
        |setting: &EffectiveSetting| setting.value.clone().unwrap_or_else(|| "–".to_owned());
    let key_width = settings.iter().map(|setting| setting.key.len()).max();
    let value_widths = settings
        .iter()
        .map(|setting| value(setting).chars().count());
    let value_width = value_widths.filter(|width| *width <= MAX_COLUMN).max();
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

fn write_json(out: &mut dyn Write, settings: &[EffectiveSetting]) -> io::Result<()> {
    let entry = |setting: &EffectiveSetting| {
        let entry = json!({ "value": setting.value, "origin": setting.origin.as_str() });
        (setting.key.clone(), entry)
    };
    let object = Value::Object(settings.iter().map(entry).collect::<Map<_, _>>());
    writeln!(out, "{object:#}")
}
