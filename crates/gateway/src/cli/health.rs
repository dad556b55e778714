//! `answer-gateway health`: how the gateway on this machine is, for a container's health check.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ConfigArguments;

/// Arguments of `health`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  answer-gateway health              is it ready? what is missing stands in the answer
  answer-gateway health --live       is it alive at all?
  GATEWAY__ADMIN__PORT=9091 answer-gateway health

Asks the admin port on this machine, by the settings of `run`.

Exit codes: 0 yes · 1 no, or nobody answers · 2 a setting is wrong.")]
pub struct HealthArguments {
    /// Settings, as `run` would be given them.
    #[command(flatten)]
    pub settings: ConfigArguments,
    /// Ask for liveness instead of readiness
    #[arg(long)]
    live: bool,
}

/// Asks the admin port at `address` and prints what it says to `out`, problems to `err`. Returns the
/// exit code.
///
/// # Errors
///
/// When `out` or `err` cannot be written.
pub async fn run_health(
    arguments: &HealthArguments,
    address: SocketAddr,
    out: &mut (dyn Write + Send),
    err: &mut (dyn Write + Send),
) -> io::Result<u8> {
    let path = if arguments.live { "/livez" } else { "/readyz" };
    match timeout(PROBE_TIMEOUT, http_get(reachable_address(address), path)).await {
        Ok(Ok((well, body))) => {
            writeln!(out, "{}", body.trim_end())?;
            Ok(u8::from(!well))
        }
        Ok(Err(error)) => {
            writeln!(err, "error: no gateway answers at {address}: {error}")?;
            Ok(1)
        }
        Err(_) => {
            writeln!(err, "error: no gateway answers at {address} in time")?;
            Ok(1)
        }
    }
}

/// Returns the address to connect to: a process that listens on every address is reached on this machine's own.
fn reachable_address(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Sends a request; returns whether the status is 200, and the body.
async fn http_get(address: SocketAddr, path: &str) -> io::Result<(bool, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut reply = Vec::new();
    stream.take(MAX_REPLY_BYTES).read_to_end(&mut reply).await?;
    let reply = String::from_utf8_lossy(&reply);
    let Some((head, body)) = reply.split_once("\r\n\r\n") else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let well = head.split_whitespace().nth(1) == Some("200");
    Ok((well, body.to_owned()))
}

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const MAX_REPLY_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn asked(reply: &'static str) -> (u8, String, String) {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            stream.write_all(reply.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let arguments = HealthArguments {
            settings: ConfigArguments::default(),
            live: false,
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run_health(&arguments, address, &mut out, &mut err)
            .await
            .unwrap();
        assert!(
            serving
                .await
                .unwrap()
                .starts_with("GET /readyz HTTP/1.0\r\n")
        );
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (code, text(out), text(err))
    }

    #[tokio::test]
    async fn what_it_says_is_printed_and_decides_the_exit_code() {
        let (code, out, _) = asked("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{\"status\":\"ready\"}").await;
        assert_eq!((code, out.as_str()), (0, "{\"status\":\"ready\"}\n"));
        let (code, out, _) = asked("HTTP/1.0 503 Unavailable\r\n\r\nnot yet\n").await;
        assert_eq!((code, out.as_str()), (1, "not yet\n"));
        let (code, _, err) = asked("nonsense").await;
        assert_eq!(code, 1);
        assert!(err.contains("no gateway answers"), "{err}");
    }
}
