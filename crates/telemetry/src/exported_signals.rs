//! Reads from the standard variables which signals leave by OTLP. Pure.
//!
//! Source: OpenTelemetry Environment Variable Specification, "General SDK Configuration" and
//! "Exporter Selection". Where to, how, with which headers and how often is read by the SDK itself
//! (`OTEL_EXPORTER_OTLP_*`, `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*`, `OTEL_METRIC_EXPORT_INTERVAL`,
//! `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`).

use crate::TelemetryError;

/// The signals that leave by OTLP. `/metrics` is there in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportedSignals {
    /// Spans.
    pub traces: bool,
    /// Metrics.
    pub metrics: bool,
}

impl ExportedSignals {
    const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

    /// Reads the variables. Unlike in the specification nothing is sent by default: traces
    /// leave when an endpoint is named or `OTEL_TRACES_EXPORTER` is `otlp`, metrics when an endpoint
    /// of their own is named or `OTEL_METRICS_EXPORTER` has `otlp` among its names.
    ///
    /// # Errors
    ///
    /// [`TelemetryError::Variable`] for an exporter that is not built in.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, TelemetryError> {
        // An empty variable is an unset one.
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(Self::default());
        }
        let named = |name: &'static str, known: &[&str]| {
            let value = variable(name);
            let names = value
                .iter()
                .flat_map(|value| value.split(','))
                .map(str::trim);
            for one in names.clone() {
                if one != "otlp" && one != "none" && !known.contains(&one) {
                    let value = one.to_owned();
                    return Err(TelemetryError::Variable { name, value });
                }
            }
            Ok(value
                .as_ref()
                .map(|_| names.clone().any(|one| one == "otlp")))
        };
        let at = |name: &str| variable(name).is_some();
        let traces_at = at(Self::ENDPOINT) || at("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let metrics_at = at("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT");
        Ok(Self {
            traces: named("OTEL_TRACES_EXPORTER", &[])?.unwrap_or(traces_at),
            metrics: named("OTEL_METRICS_EXPORTER", &["prometheus"])?.unwrap_or(metrics_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exporting(variables: &[(&str, &str)]) -> Result<(bool, bool), String> {
        let found = ExportedSignals::from_variables(|name| {
            let found = variables.iter().find(|(one, _)| *one == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        found
            .map(|found| (found.traces, found.metrics))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_leaves_unless_somebody_says_where_to_or_that_it_is_to() {
        assert_eq!(exporting(&[]), Ok((false, false)));
        assert_eq!(
            exporting(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317")]),
            Ok((true, false))
        );
        assert_eq!(
            exporting(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c:4317")]),
            Ok((false, true))
        );
        assert_eq!(
            exporting(&[
                ("OTEL_TRACES_EXPORTER", "otlp"),
                ("OTEL_METRICS_EXPORTER", "prometheus, otlp"),
            ]),
            Ok((true, true))
        );
        assert_eq!(
            exporting(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")]),
            Ok((false, false)),
            "an empty variable is an unset one"
        );
    }

    #[test]
    fn a_signal_and_everything_can_be_switched_off() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317");
        assert_eq!(
            exporting(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]),
            Ok((false, false))
        );
        assert_eq!(
            exporting(&[endpoint, ("OTEL_SDK_DISABLED", "TRUE")]),
            Ok((false, false))
        );
    }

    #[test]
    fn an_exporter_that_is_not_there_is_named() {
        let refused = exporting(&[("OTEL_TRACES_EXPORTER", "zipkin")]).unwrap_err();
        assert_eq!(
            refused,
            "OTEL_TRACES_EXPORTER: there is no exporter `zipkin`; use otlp or none"
        );
    }
}
