//! Mints and reads resume tokens: encrypted and authenticated, so that a client learns nothing from its own and
//! can change nothing in it. Pure: time, keys and randomness are arguments.
//!
//! A token is `base64url(format ‖ key id ‖ nonce ‖ ciphertext)` (RFC 4648 section 5), sealed by
//! XChaCha20-Poly1305 (RFC 8439; the extended nonce of draft-irtf-cfrg-xchacha-03) with format and key id as
//! associated data. Deadlines are wall time in a token, since another process reads it, and are clamped when they
//! are read: a clock that jumps moves no deadline beyond the longest.

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload as Sealed};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use session_core::{CoreSettings, ResumePoint, ResumeQuestion};
use sha2::{Digest, Sha256};
use types::{AskId, Lineage, MinOffsets, QuestionId, SessionId, WireId};

/// The keys that tokens are made and read with. `Debug` shows none.
#[derive(Clone, PartialEq, Eq)]
pub struct ResumeTokenKeys {
    current: ResumeTokenKey,
    previous: Option<ResumeTokenKey>,
}

#[derive(Clone, PartialEq, Eq)]
struct ResumeTokenKey {
    id: [u8; Self::ID_LEN],
    secret: Vec<u8>,
}

impl ResumeTokenKeys {
    /// Tokens are made with `current`; those made with `previous` are still read, so that a key can
    /// be changed while sessions live.
    pub fn new(current: &[u8], previous: Option<&[u8]>) -> Self {
        Self {
            current: ResumeTokenKey::new(current),
            previous: previous.map(ResumeTokenKey::new),
        }
    }

    /// A key that only this process has: its tokens resume here and nowhere else.
    pub fn new_random() -> Self {
        Self::new(&rand::random::<[u8; 32]>(), None)
    }

    fn key_by_id(&self, id: [u8; ResumeTokenKey::ID_LEN]) -> Option<&ResumeTokenKey> {
        let keys = [Some(&self.current), self.previous.as_ref()];
        keys.into_iter().flatten().find(|key| key.id == id)
    }
}

impl fmt::Debug for ResumeTokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKeys(***)")
    }
}

impl ResumeTokenKey {
    const ID_LEN: usize = 4;

    fn new(secret: &[u8]) -> Self {
        let named = Sha256::new_with_prefix(b"resume token key id").chain_update(secret);
        let mut id = [0; Self::ID_LEN];
        id.copy_from_slice(&named.finalize()[..Self::ID_LEN]);
        Self {
            id,
            secret: secret.to_vec(),
        }
    }

    /// Creates the cipher of this key. A configured key is a text of any length, so its hash is the cipher's.
    fn cipher(&self) -> XChaCha20Poly1305 {
        let key = Sha256::new_with_prefix(b"resume token encryption").chain_update(&self.secret);
        let key: [u8; 32] = key.finalize().into();
        XChaCha20Poly1305::new(&key.into())
    }
}

/// Mints and reads tokens: with which keys, for how long.
#[derive(Debug, Clone)]
pub(crate) struct ResumeTokenCodec {
    pub(crate) keys: ResumeTokenKeys,
    /// The time for which a token is good after it was minted: answer timeout and resume window.
    pub(crate) lifetime: Duration,
    /// No question waits longer.
    pub(crate) longest_wait: Duration,
}

/// The subject of a token. Without authentication everybody is the same, empty, subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenSubject<'a>(pub(crate) &'a str);

impl TokenSubject<'_> {
    /// Everybody, where nobody says who he is.
    pub(crate) const ANONYMOUS: Self = Self("");

    fn hash(self) -> [u8; 8] {
        let hash = Sha256::digest(self.0);
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        first
    }
}

/// The present moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockReading {
    pub(crate) monotonic: Instant,
    pub(crate) wall: SystemTime,
}

/// The reason for which a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenError {
    /// It was good once, or is made by a process whose key this one does not have: the session
    /// begins anew.
    Stale,
    /// No process that knows the key has made it.
    Invalid,
    /// It was made for another subject.
    Foreign,
}

impl ResumeTokenCodec {
    /// The version of the token's format. 1 was authenticated and not encrypted.
    const FORMAT: u8 = 2;
    /// Bytes in front of the nonce: the format and the key id, readable and authenticated.
    const HEADER_LEN: usize = 1 + ResumeTokenKey::ID_LEN;
    const NONCE_LEN: usize = 24;
    /// More than the longest that is made.
    const MAX_LEN: usize = 8 * 1024;
    /// A floor over more partitions is left out: it only spares looking.
    const MAX_PARTITIONS: usize = 256;

    /// Returns the longest time that a waiting question can have left at any time: until its answer, or until the next part.
    pub(crate) fn longest_wait(core: &CoreSettings) -> Duration {
        core.answer_timeout.max(core.part_timeout)
    }

    /// Mints a token of this point. `nonce` is 192 random bits, which the caller draws anew for each token.
    pub(crate) fn mint(
        &self,
        subject: TokenSubject<'_>,
        point: &ResumePoint,
        now: ClockReading,
        nonce: [u8; Self::NONCE_LEN],
    ) -> String {
        let payload = TokenPayload {
            session: point.session.as_str(),
            lineage: point.lineage.to_bytes(),
            subject: subject.hash(),
            seq: point.seq,
            expires_at: unix_millis(now.wall + self.lifetime),
            question: point
                .question
                .as_ref()
                .map(|question| TokenQuestion::from_resume_question(question, now)),
            answered: point.answered.iter().map(|id| id.to_bytes()).collect(),
        };
        let payload = postcard::to_allocvec(&payload).expect("memory takes any payload");
        let mut token = vec![Self::FORMAT];
        token.extend(self.keys.current.id);
        let sealed = Sealed {
            msg: &payload,
            aad: &token,
        };
        let sealed = self
            .keys
            .current
            .cipher()
            .encrypt(&XNonce::from(nonce), sealed);
        let sealed = sealed.expect("a payload is shorter than a cipher's longest text");
        token.extend(nonce);
        token.extend(sealed);
        URL_SAFE_NO_PAD.encode(token)
    }

    /// Reads a token.
    ///
    /// # Errors
    ///
    /// [`TokenError`], which says whether anything is wrong with who sends it.
    pub(crate) fn parse(
        &self,
        subject: TokenSubject<'_>,
        token: &str,
        now: ClockReading,
    ) -> Result<ResumePoint, TokenError> {
        if token.len() > Self::MAX_LEN {
            return Err(TokenError::Invalid);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token);
        let bytes = bytes.map_err(|_| TokenError::Invalid)?;
        let payload = self.decrypt(&bytes)?;
        let payload: TokenPayload<'_> =
            postcard::from_bytes(&payload).map_err(|_| TokenError::Invalid)?;
        if payload.subject != subject.hash() {
            return Err(TokenError::Foreign);
        }
        if payload.expires_at < unix_millis(now.wall) {
            return Err(TokenError::Stale);
        }
        payload
            .into_resume_point(self.longest_wait, now)
            .ok_or(TokenError::Invalid)
    }

    /// Decrypts a token, if a key of ours has sealed it.
    fn decrypt(&self, token: &[u8]) -> Result<Vec<u8>, TokenError> {
        let (format, rest) = token.split_first().ok_or(TokenError::Invalid)?;
        if *format != Self::FORMAT {
            // An earlier or a later release's.
            return Err(TokenError::Stale);
        }
        let (id, rest) = rest.split_first_chunk().ok_or(TokenError::Invalid)?;
        let key = self.keys.key_by_id(*id).ok_or(TokenError::Stale)?;
        let (nonce, msg) = rest
            .split_first_chunk::<{ Self::NONCE_LEN }>()
            .ok_or(TokenError::Invalid)?;
        let aad = token.get(..Self::HEADER_LEN).ok_or(TokenError::Invalid)?;
        let opened = key
            .cipher()
            .decrypt(&XNonce::from(*nonce), Sealed { msg, aad });
        opened.map_err(|_| TokenError::Invalid)
    }
}

#[derive(Serialize, Deserialize)]
struct TokenPayload<'a> {
    session: &'a str,
    lineage: [u8; 16],
    /// The beginning of its SHA-256.
    subject: [u8; 8],
    seq: u64,
    /// Milliseconds since 1970.
    expires_at: u64,
    #[serde(borrow)]
    question: Option<TokenQuestion<'a>>,
    answered: Vec<[u8; 16]>,
}

#[derive(Serialize, Deserialize)]
struct TokenQuestion<'a> {
    ask_id: &'a str,
    question_id: [u8; 16],
    wire_id: &'a str,
    /// Milliseconds since 1970.
    deadline: u64,
    chunk_bytes: u32,
    min_offsets: Vec<i64>,
}

impl<'a> TokenPayload<'a> {
    fn into_resume_point(self, longest_wait: Duration, now: ClockReading) -> Option<ResumePoint> {
        let question = match self.question {
            Some(question) => Some(question.into_resume_question(longest_wait, now)?),
            None => None,
        };
        let answered = self.answered.into_iter().map(QuestionId::from_bytes);
        Some(ResumePoint {
            session: SessionId::parse(self.session).ok()?,
            lineage: Lineage::from_random(self.lineage),
            seq: self.seq,
            question,
            answered: answered.collect(),
        })
    }
}

impl<'a> TokenQuestion<'a> {
    fn from_resume_question(question: &'a ResumeQuestion, now: ClockReading) -> Self {
        let left = question.deadline.saturating_duration_since(now.monotonic);
        let floor = question.min_offsets.watermarks();
        Self {
            ask_id: question.ask_id.as_str(),
            question_id: question.question_id.to_bytes(),
            wire_id: question.wire_id.as_str(),
            deadline: unix_millis(now.wall + left),
            chunk_bytes: u32::try_from(question.chunk_bytes).unwrap_or(u32::MAX),
            min_offsets: match floor.len() <= ResumeTokenCodec::MAX_PARTITIONS {
                true => floor.to_vec(),
                false => Vec::new(),
            },
        }
    }

    fn into_resume_question(
        self,
        longest_wait: Duration,
        now: ClockReading,
    ) -> Option<ResumeQuestion> {
        let left = self.deadline.saturating_sub(unix_millis(now.wall));
        let left = Duration::from_millis(left).min(longest_wait);
        Some(ResumeQuestion {
            ask_id: AskId::parse(self.ask_id).ok()?,
            question_id: QuestionId::from_bytes(self.question_id),
            wire_id: WireId::parse(self.wire_id).ok()?,
            deadline: now.monotonic + left,
            chunk_bytes: usize::try_from(self.chunk_bytes).ok()?,
            min_offsets: MinOffsets::new(self.min_offsets),
        })
    }
}

/// Milliseconds since 1970; a clock before it counts as it.
fn unix_millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"a key of the tests, long enough for it";
    const NONCE: [u8; 24] = [5; 24];
    const LIFETIME: Duration = Duration::from_secs(720);
    const LONGEST_WAIT: Duration = Duration::from_secs(600);

    fn tokens(current: &[u8], previous: Option<&[u8]>) -> ResumeTokenCodec {
        ResumeTokenCodec {
            keys: ResumeTokenKeys::new(current, previous),
            lifetime: LIFETIME,
            longest_wait: LONGEST_WAIT,
        }
    }

    fn now() -> ClockReading {
        ClockReading {
            monotonic: Instant::now(),
            wall: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        }
    }

    fn later(now: ClockReading, by: Duration) -> ClockReading {
        ClockReading {
            monotonic: now.monotonic + by,
            wall: now.wall + by,
        }
    }

    fn point(now: ClockReading) -> ResumePoint {
        let session = SessionId::parse("a-session").unwrap();
        ResumePoint {
            seq: 7,
            question: Some(ResumeQuestion {
                ask_id: AskId::parse("pergunta ç").unwrap(),
                question_id: QuestionId::from_bytes([9; 16]),
                wire_id: WireId::parse("a-session~suffix").unwrap(),
                deadline: now.monotonic + Duration::from_secs(100),
                chunk_bytes: 65_536,
                min_offsets: MinOffsets::new([10, 0, i64::MAX]),
            }),
            lineage: Lineage::from_random([3; 16]),
            answered: vec![
                QuestionId::from_bytes([1; 16]),
                QuestionId::from_bytes([2; 16]),
            ],
            session,
        }
    }

    #[test]
    fn what_is_minted_is_read_elsewhere_with_what_is_left_of_the_deadline() {
        let minted_at = now();
        let token =
            tokens(KEY, None).mint(TokenSubject::ANONYMOUS, &point(minted_at), minted_at, NONCE);
        assert_eq!(
            tokens(KEY, None).parse(TokenSubject::ANONYMOUS, &token, minted_at),
            Ok(point(minted_at))
        );
        let read_at = later(minted_at, Duration::from_secs(40));
        let read = tokens(KEY, None)
            .parse(TokenSubject::ANONYMOUS, &token, read_at)
            .unwrap();
        let deadline = read.question.unwrap().deadline;
        assert_eq!(deadline, read_at.monotonic + Duration::from_secs(60));
    }

    #[test]
    fn no_question_waits_longer_for_having_been_resumed() {
        let core = |answer, part| CoreSettings {
            answer_timeout: Duration::from_secs(answer),
            part_timeout: Duration::from_secs(part),
            max_answer_time: LONGEST_WAIT,
            ..CoreSettings::default()
        };
        for (answer, part) in [(120, 30), (30, 120)] {
            let longest = ResumeTokenCodec::longest_wait(&core(answer, part));
            assert_eq!(longest, Duration::from_secs(120));
        }
    }

    #[test]
    fn a_clock_that_jumped_gives_no_question_longer_than_the_longest() {
        let minted_at = now();
        let token =
            tokens(KEY, None).mint(TokenSubject::ANONYMOUS, &point(minted_at), minted_at, NONCE);
        let back = ClockReading {
            wall: minted_at.wall - Duration::from_secs(86_400),
            ..minted_at
        };
        let read = tokens(KEY, None)
            .parse(TokenSubject::ANONYMOUS, &token, back)
            .unwrap();
        let deadline = read.question.unwrap().deadline;
        assert_eq!(deadline, minted_at.monotonic + LONGEST_WAIT);
    }

    #[test]
    fn a_token_is_good_until_it_expires() {
        let minted_at = now();
        let token =
            tokens(KEY, None).mint(TokenSubject::ANONYMOUS, &point(minted_at), minted_at, NONCE);
        let last = later(minted_at, LIFETIME);
        assert!(
            tokens(KEY, None)
                .parse(TokenSubject::ANONYMOUS, &token, last)
                .is_ok()
        );
        let expired = later(minted_at, LIFETIME + Duration::from_millis(1));
        assert_eq!(
            tokens(KEY, None).parse(TokenSubject::ANONYMOUS, &token, expired),
            Err(TokenError::Stale)
        );
    }

    #[test]
    fn keys_are_changed_by_way_of_the_previous_one() {
        let (old, new) = (b"the old key", b"the new key");
        let minted_at = now();
        let token =
            tokens(old, None).mint(TokenSubject::ANONYMOUS, &point(minted_at), minted_at, NONCE);
        assert!(
            tokens(new, Some(old))
                .parse(TokenSubject::ANONYMOUS, &token, minted_at)
                .is_ok()
        );
        assert_eq!(
            tokens(new, None).parse(TokenSubject::ANONYMOUS, &token, minted_at),
            Err(TokenError::Stale)
        );
    }

    #[test]
    fn a_token_of_another_subject_is_told_apart() {
        let (tokens, now) = (tokens(KEY, None), now());
        let token = tokens.mint(TokenSubject("ana"), &point(now), now, NONCE);
        assert!(tokens.parse(TokenSubject("ana"), &token, now).is_ok());
        for other in [TokenSubject("rui"), TokenSubject::ANONYMOUS] {
            assert_eq!(tokens.parse(other, &token, now), Err(TokenError::Foreign));
        }
    }

    #[test]
    fn every_bit_counts() {
        let minted_at = now();
        let good =
            tokens(KEY, None).mint(TokenSubject::ANONYMOUS, &point(minted_at), minted_at, NONCE);
        let bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let token = URL_SAFE_NO_PAD.encode(&bytes);
            let expected = match bit / 8 <= ResumeTokenKey::ID_LEN {
                true => TokenError::Stale,
                false => TokenError::Invalid,
            };
            let read = tokens(KEY, None).parse(TokenSubject::ANONYMOUS, &token, minted_at);
            assert_eq!(read, Err(expected), "bit {bit}");
        }
    }

    #[test]
    fn what_is_no_token_is_invalid() {
        for token in [
            "",
            "AQ",
            "not base64!",
            &"A".repeat(9_000),
            &"AQ".repeat(18),
        ] {
            let read = tokens(KEY, None).parse(TokenSubject::ANONYMOUS, token, now());
            assert!(read.is_err(), "{token:.20}");
        }
    }

    #[test]
    fn a_floor_over_many_partitions_is_left_out() {
        let now = now();
        let mut point = point(now);
        let floor = |partitions: usize| MinOffsets::new(vec![5; partitions]);
        for (partitions, kept) in [(256, 256), (257, 0)] {
            point.question.as_mut().unwrap().min_offsets = floor(partitions);
            let token = tokens(KEY, None).mint(TokenSubject::ANONYMOUS, &point, now, NONCE);
            assert!(token.len() < ResumeTokenCodec::MAX_LEN);
            let read = tokens(KEY, None)
                .parse(TokenSubject::ANONYMOUS, &token, now)
                .unwrap();
            assert_eq!(read.question.unwrap().min_offsets, floor(kept));
        }
    }

    #[test]
    fn keys_are_not_printed() {
        assert_eq!(
            format!("{:?}", ResumeTokenKeys::new(KEY, Some(KEY))),
            "TokenKeys(***)"
        );
    }
}
