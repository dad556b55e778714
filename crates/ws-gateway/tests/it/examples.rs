//! The example program, as a reader of the documentation would run it.
#![cfg(unix)]

use testkit::Example;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;

use crate::support::client::{Client, INVALID, response};

#[tokio::test]
async fn the_sessions_example_says_back_what_is_asked_and_ends_cleanly() {
    let mut example = Example::start("sessions", &[]);
    let said = example.line();
    let address = said.strip_prefix("serving sessions on ws://").unwrap();
    let mut first = connect(address, "s-1").await;
    let mut second = connect(address, "s-2").await;
    for (client, question) in [(&mut first, "onde?"), (&mut second, "quando?")] {
        client.ask(question).await;
        assert_eq!(client.receive().await, response(question));
    }
    first.send("onde?").await;
    assert_eq!(first.receive().await, INVALID);

    example.interrupt();
    assert_eq!(first.close_code().await, 4001);
    assert_eq!(second.close_code().await, 4001);
    drop((first, second));
    assert_eq!(example.line(), "stopped");
    assert!(example.wait().success());
}

async fn connect(address: &str, session: &str) -> Client<TcpStream> {
    let stream = TcpStream::connect(address).await.unwrap();
    let url = format!("ws://{address}/ws/{session}");
    Client(client_async(url, stream).await.unwrap().0)
}
