//! Tests the fate of an open question when its socket ends, in every way one can end.

use bytes::Bytes;
use tokio::io::DuplexStream;
use tokio_tungstenite::tungstenite::Message;
use ws_gateway::{CloseCode, SessionSettings};

use crate::support::client::{Client, TIMED_OUT, raw_frame};
use crate::support::{ANSWER_TIMEOUT, Sessions, limit};

/// Every way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    ClosedByTheClient,
    Gone,
    Replaced,
    Binary,
    TooBig,
    TooManyFrames,
    NoUtf8,
    BrokenFrame,
    NoPong,
    NotReading,
}

impl End {
    const ALL: [Self; 10] = [
        Self::ClosedByTheClient,
        Self::Gone,
        Self::Replaced,
        Self::Binary,
        Self::TooBig,
        Self::TooManyFrames,
        Self::NoUtf8,
        Self::BrokenFrame,
        Self::NoPong,
        Self::NotReading,
    ];

    /// Bounds that are met quickly.
    fn settings(self) -> SessionSettings {
        let frames_per_second = if self == Self::NotReading { 0 } else { 2 };
        SessionSettings {
            max_frame_bytes: 1024,
            outbound_bytes: 3000,
            frames_per_second: limit(frames_per_second),
            ..SessionSettings::default()
        }
    }

    /// The bytes that the peer's system takes before anybody reads.
    fn in_flight(self) -> usize {
        if self == Self::NotReading {
            16
        } else {
            64 * 1024
        }
    }

    /// The code it is counted under.
    fn label(self) -> &'static str {
        match self {
            Self::ClosedByTheClient => "1005",
            Self::Gone => "1006",
            Self::Replaced => CloseCode::Superseded.label(),
            Self::Binary => CloseCode::BinaryFrame.label(),
            Self::TooBig => CloseCode::MessageTooBig.label(),
            Self::TooManyFrames => CloseCode::RateLimited.label(),
            Self::NoUtf8 => CloseCode::InvalidText.label(),
            Self::BrokenFrame => CloseCode::ProtocolError.label(),
            Self::NoPong => CloseCode::NoPong.label(),
            Self::NotReading => CloseCode::SlowConsumer.label(),
        }
    }

    /// Brings it about. The client that is returned is there still.
    async fn happen(
        self,
        sessions: &Sessions,
        mut client: Client<DuplexStream>,
    ) -> Option<Client<DuplexStream>> {
        match self {
            Self::ClosedByTheClient => client.send_message(Message::Close(None)).await,
            Self::Gone => return None,
            Self::Replaced => return Some(sessions.connect("s-1").await),
            Self::Binary => {
                let message = Message::Binary(Bytes::from_static(b"onde?"));
                client.send_message(message).await;
            }
            Self::TooBig => client.send("x".repeat(1025)).await,
            Self::TooManyFrames => {
                for _ in 0..2 {
                    client.send("no question").await;
                }
            }
            Self::NoUtf8 => client.write_raw(&raw_frame(0x81, b"\xff\xfe")).await,
            Self::BrokenFrame => client.write_raw(&raw_frame(0x83, b"no opcode")).await,
            Self::NoPong => tokio::time::sleep(ANSWER_TIMEOUT / 2).await,
            Self::NotReading => {
                while sessions.counted("sockets_closed_total", self.label()) < 1.0 {
                    client.write_raw(&raw_frame(0x81, b"no question")).await;
                }
            }
        }
        Some(client)
    }
}

#[tokio::test(start_paused = true)]
async fn however_a_socket_ends_its_open_question_is_undeliverable_and_so_is_the_answer() {
    for end in End::ALL {
        let mut sessions = Sessions::with(end.settings());
        let (ours, theirs) = tokio::io::duplex(end.in_flight());
        sessions.serve("s-1", theirs);
        let mut client = Client::over(ours).await;
        client.ask("onde?").await;
        let asked = sessions.questions.next_taken().await;
        let still_there = end.happen(&sessions, client).await;
        sessions
            .wait_counted("sockets_closed_total", end.label(), 1.0)
            .await;
        sessions
            .wait_counted("questions_total", "undeliverable", 1.0)
            .await;
        sessions.answer(&asked, "ali");
        assert_eq!(
            sessions.counted("answers_total", "undeliverable"),
            1.0,
            "{end:?}"
        );
        let ledger = sessions.manager.stats().ledger;
        assert_eq!(
            (ledger.accepted, ledger.undeliverable),
            (1, 1),
            "{end:?}: {ledger:?}"
        );
        drop(still_there);
    }
}

#[tokio::test(start_paused = true)]
async fn an_owed_answer_under_a_suffix_is_undeliverable_while_the_session_is_away_and_late_afterwards()
 {
    for (back_first, outcome) in [(false, "undeliverable"), (true, "late")] {
        let mut sessions = Sessions::with(SessionSettings {
            ping_interval: 2 * ANSWER_TIMEOUT,
            ..SessionSettings::default()
        });
        let mut client = sessions.connect("s-1").await;
        client.ask("first").await;
        sessions.questions.next_taken().await;
        tokio::time::advance(ANSWER_TIMEOUT).await;
        assert_eq!(client.receive().await, TIMED_OUT);
        client.ask("second").await;
        let asked = sessions.questions.next_taken().await;
        assert!(!asked.question.wire_id.is_plain());
        drop(client);
        sessions.wait_connected(0).await;
        let mut successor = None;
        if back_first {
            successor = Some(sessions.connect("s-1").await);
            sessions.wait_connected(1).await;
        }
        sessions.answer(&asked, "ali");
        assert_eq!(sessions.counted("answers_total", outcome), 1.0, "{outcome}");
        if let Some(client) = &mut successor {
            client.assert_nothing_more().await;
        }
    }
}
