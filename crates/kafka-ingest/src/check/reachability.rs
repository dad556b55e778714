//! Checks that the brokers' names resolve and their ports take connections, before librdkafka, whose words
//! for all of this are one, has a try.

use std::io;

use futures_util::future::join_all;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::{CHECK_TIMEOUT, CheckVerdict, Finding};

/// Looks at each of `servers` (`host:port`, separated by commas). True when one can be connected to.
pub(super) async fn check_reachability(
    servers: &str,
    tell: &mut (dyn FnMut(Finding) + Send),
) -> bool {
    let servers = servers.split(',').map(str::trim);
    let findings = join_all(servers.map(|server| check_connection(server, "kafka.connect"))).await;
    let reached = findings.iter().any(|one| one.verdict == CheckVerdict::Ok);
    for mut finding in findings {
        // The others are only asked when the first is away.
        if reached && finding.verdict == CheckVerdict::Failure {
            finding.verdict = CheckVerdict::Warning;
        }
        tell(finding);
    }
    reached
}

/// Checks that `server` can be connected to. The protocol's name, which librdkafka takes in front of it,
/// is left aside.
pub(super) async fn check_connection(server: &str, check: &'static str) -> Finding {
    let address = server.rsplit("://").next().unwrap_or(server);
    let resolved = match timeout(CHECK_TIMEOUT, lookup_host(address)).await {
        Ok(Ok(mut found)) => found.next(),
        Ok(Err(error)) => {
            let seen = format!("{server} does not resolve: {error}");
            let advice = "look at the name, and at the DNS of the place this runs in";
            return Finding::failure(check, seen, advice);
        }
        Err(_) => None,
    };
    let Some(resolved) = resolved else {
        let seen = format!("{server} does not resolve: no answer from DNS");
        return Finding::failure(check, seen, "look at the DNS of the place this runs in");
    };
    match timeout(CHECK_TIMEOUT, TcpStream::connect(resolved)).await {
        Ok(Ok(_)) => Finding::ok(check, format!("{server} ({resolved}) takes connections")),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Finding::failure(
            check,
            format!("{server} ({resolved}) refuses connections: nobody listens there"),
            "is the broker running, and is this the port of the listener for clients?",
        ),
        Ok(Err(error)) => Finding::failure(
            check,
            format!("{server} ({resolved}) cannot be connected to: {error}"),
            "look at routes and firewalls between here and there",
        ),
        Err(_) => Finding::failure(
            check,
            format!(
                "{server} ({resolved}) does not answer within {} s",
                CHECK_TIMEOUT.as_secs()
            ),
            "packets are dropped on the way: look at network policies and firewalls",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn found(servers: &str) -> (bool, Vec<(CheckVerdict, String)>) {
        let mut findings = Vec::new();
        let mut tell = |finding: Finding| findings.push((finding.verdict, finding.observed));
        let reached = check_reachability(servers, &mut tell).await;
        (reached, findings)
    }

    #[tokio::test]
    async fn each_broker_is_told_and_one_is_enough() {
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let there = listening.local_addr().unwrap();
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let away = closed.local_addr().unwrap();
        drop(closed);
        let (reached, findings) = found(&format!("PLAINTEXT://{there}, {away}")).await;
        assert!(reached);
        assert_eq!(findings[0].0, CheckVerdict::Ok);
        assert_eq!(findings[1].0, CheckVerdict::Warning);
        assert!(findings[1].1.contains("nobody listens"), "{findings:?}");
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_told() {
        let (reached, findings) = found("nowhere.invalid:9092").await;
        assert!(!reached);
        assert!(findings[0].1.contains("does not resolve"), "{findings:?}");
    }
}
