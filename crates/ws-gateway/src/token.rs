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
use session_core::{ResumePoint, ResumeQuestion, Settings as CoreSettings};
use sha2::{Digest, Sha256};
use types::{AnswerFloor, AskId, Lineage, QuestionId, SessionId, WireId};

/// The keys that tokens are made and read with. `Debug` shows none.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKeys {
    current: Key,
    previous: Option<Key>,
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    id: [u8; Self::ID_LEN],
    secret: Vec<u8>,
}

impl TokenKeys {
    /// Tokens are made with `current`; those made with `previous` are still read, so that a key can
    /// be changed while sessions live.
    pub fn new(current: &[u8], previous: Option<&[u8]>) -> Self {
        Self {
            current: Key::new(current),
            previous: previous.map(Key::new),
        }
    }

    /// A key that only this process has: its tokens resume here and nowhere else.
    pub fn random() -> Self {
        Self::new(&rand::random::<[u8; 32]>(), None)
    }

    fn of(&self, id: [u8; Key::ID_LEN]) -> Option<&Key> {
        let keys = [Some(&self.current), self.previous.as_ref()];
        keys.into_iter().flatten().find(|key| key.id == id)
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKeys(***)")
    }
}

impl Key {
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

/// How tokens are made: with which keys, for how long.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) keys: TokenKeys,
    /// How long a token is good after it was minted: answer timeout and resume window.
    pub(crate) lifetime: Duration,
    /// No question waits longer.
    pub(crate) longest_wait: Duration,
}

/// Whose a token is. Without authentication everybody is the same, empty, subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject<'a>(pub(crate) &'a str);

impl Subject<'_> {
    /// Everybody, where nobody says who he is.
    pub(crate) const ANYBODY: Self = Self("");

    fn hash(self) -> [u8; 8] {
        let hash = Sha256::digest(self.0);
        let mut first = [0; 8];
        first.copy_from_slice(&hash[..8]);
        first
    }
}

/// The present moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    pub(crate) monotonic: Instant,
    pub(crate) wall: SystemTime,
}

/// Why a token is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untaken {
    /// It was good once, or is made by a process whose key this one does not have: the session
    /// begins anew.
    Stale,
    /// No process that knows the key has made it.
    Invalid,
    /// It was made for another subject.
    Foreign,
}

impl Tokens {
    /// The version of the token's format. 1 was authenticated and not encrypted.
    const FORMAT: u8 = 2;
    /// Bytes in front of the nonce: the format and the key id, readable and authenticated.
    const HEADER_LEN: usize = 1 + Key::ID_LEN;
    const NONCE_LEN: usize = 24;
    /// More than the longest that is made.
    const MAX_LEN: usize = 8 * 1024;
    /// A floor over more partitions is left out: it only spares looking.
    const MAX_FLOOR: usize = 256;

    /// What a question that waits can have left at any time: until its answer, or until the next part.
    pub(crate) fn longest_wait(core: &CoreSettings) -> Duration {
        core.answer_timeout.max(core.part_timeout)
    }

    /// Mints a token of this point. `nonce` is 192 random bits, which the caller draws anew for each token.
    pub(crate) fn mint(
        &self,
        subject: Subject<'_>,
        point: &ResumePoint,
        now: Now,
        nonce: [u8; Self::NONCE_LEN],
    ) -> String {
        let payload = Payload {
            session: point.session.as_str(),
            lineage: point.lineage.to_bytes(),
            subject: subject.hash(),
            seq: point.seq,
            expires: millis(now.wall + self.lifetime),
            question: point
                .question
                .as_ref()
                .map(|question| Question::of(question, now)),
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
    /// [`Untaken`], which says whether anything is wrong with who sends it.
    pub(crate) fn read(
        &self,
        subject: Subject<'_>,
        token: &str,
        now: Now,
    ) -> Result<ResumePoint, Untaken> {
        if token.len() > Self::MAX_LEN {
            return Err(Untaken::Invalid);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token);
        let bytes = bytes.map_err(|_| Untaken::Invalid)?;
        let payload = self.open(&bytes)?;
        let payload: Payload<'_> = postcard::from_bytes(&payload).map_err(|_| Untaken::Invalid)?;
        if payload.subject != subject.hash() {
            return Err(Untaken::Foreign);
        }
        if payload.expires < millis(now.wall) {
            return Err(Untaken::Stale);
        }
        payload
            .point(self.longest_wait, now)
            .ok_or(Untaken::Invalid)
    }

    /// Decrypts a token, if a key of ours has sealed it.
    fn open(&self, token: &[u8]) -> Result<Vec<u8>, Untaken> {
        let (format, rest) = token.split_first().ok_or(Untaken::Invalid)?;
        if *format != Self::FORMAT {
            // An earlier or a later release's.
            return Err(Untaken::Stale);
        }
        let (id, rest) = rest.split_first_chunk().ok_or(Untaken::Invalid)?;
        let key = self.keys.of(*id).ok_or(Untaken::Stale)?;
        let (nonce, msg) = rest
            .split_first_chunk::<{ Self::NONCE_LEN }>()
            .ok_or(Untaken::Invalid)?;
        let aad = token.get(..Self::HEADER_LEN).ok_or(Untaken::Invalid)?;
        let opened = key
            .cipher()
            .decrypt(&XNonce::from(*nonce), Sealed { msg, aad });
        opened.map_err(|_| Untaken::Invalid)
    }
}

#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    session: &'a str,
    lineage: [u8; 16],
    /// The beginning of its SHA-256.
    subject: [u8; 8],
    seq: u64,
    /// Milliseconds since 1970.
    expires: u64,
    #[serde(borrow)]
    question: Option<Question<'a>>,
    answered: Vec<[u8; 16]>,
}

#[derive(Serialize, Deserialize)]
struct Question<'a> {
    id: &'a str,
    question_id: [u8; 16],
    wire_id: &'a str,
    /// Milliseconds since 1970.
    deadline: u64,
    part_bytes: u32,
    floor: Vec<i64>,
}

impl<'a> Payload<'a> {
    fn point(self, longest_wait: Duration, now: Now) -> Option<ResumePoint> {
        let question = match self.question {
            Some(question) => Some(question.read(longest_wait, now)?),
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

impl<'a> Question<'a> {
    fn of(question: &'a ResumeQuestion, now: Now) -> Self {
        let left = question.deadline.saturating_duration_since(now.monotonic);
        let floor = question.floor.watermarks();
        Self {
            id: question.id.as_str(),
            question_id: question.question_id.to_bytes(),
            wire_id: question.wire_id.as_str(),
            deadline: millis(now.wall + left),
            part_bytes: u32::try_from(question.part_bytes).unwrap_or(u32::MAX),
            floor: match floor.len() <= Tokens::MAX_FLOOR {
                true => floor.to_vec(),
                false => Vec::new(),
            },
        }
    }

    fn read(self, longest_wait: Duration, now: Now) -> Option<ResumeQuestion> {
        let left = self.deadline.saturating_sub(millis(now.wall));
        let left = Duration::from_millis(left).min(longest_wait);
        Some(ResumeQuestion {
            id: AskId::parse(self.id).ok()?,
            question_id: QuestionId::from_bytes(self.question_id),
            wire_id: WireId::parse(self.wire_id).ok()?,
            deadline: now.monotonic + left,
            part_bytes: usize::try_from(self.part_bytes).ok()?,
            floor: AnswerFloor::new(self.floor),
        })
    }
}

/// Milliseconds since 1970; a clock before it counts as it.
fn millis(time: SystemTime) -> u64 {
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

    fn tokens(current: &[u8], previous: Option<&[u8]>) -> Tokens {
        Tokens {
            keys: TokenKeys::new(current, previous),
            lifetime: LIFETIME,
            longest_wait: LONGEST_WAIT,
        }
    }

    fn now() -> Now {
        Now {
            monotonic: Instant::now(),
            wall: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
        }
    }

    fn later(now: Now, by: Duration) -> Now {
        Now {
            monotonic: now.monotonic + by,
            wall: now.wall + by,
        }
    }

    fn point(now: Now) -> ResumePoint {
        let session = SessionId::parse("a-session").unwrap();
        ResumePoint {
            seq: 7,
            question: Some(ResumeQuestion {
                id: AskId::parse("pergunta ç").unwrap(),
                question_id: QuestionId::from_bytes([9; 16]),
                wire_id: WireId::parse("a-session~suffix").unwrap(),
                deadline: now.monotonic + Duration::from_secs(100),
                part_bytes: 65_536,
                floor: AnswerFloor::new([10, 0, i64::MAX]),
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
        let token = tokens(KEY, None).mint(Subject::ANYBODY, &point(minted_at), minted_at, NONCE);
        assert_eq!(
            tokens(KEY, None).read(Subject::ANYBODY, &token, minted_at),
            Ok(point(minted_at))
        );
        let read_at = later(minted_at, Duration::from_secs(40));
        let read = tokens(KEY, None)
            .read(Subject::ANYBODY, &token, read_at)
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
            let longest = Tokens::longest_wait(&core(answer, part));
            assert_eq!(longest, Duration::from_secs(120));
        }
    }

    #[test]
    fn a_clock_that_jumped_gives_no_question_longer_than_the_longest() {
        let minted_at = now();
        let token = tokens(KEY, None).mint(Subject::ANYBODY, &point(minted_at), minted_at, NONCE);
        let back = Now {
            wall: minted_at.wall - Duration::from_secs(86_400),
            ..minted_at
        };
        let read = tokens(KEY, None)
            .read(Subject::ANYBODY, &token, back)
            .unwrap();
        let deadline = read.question.unwrap().deadline;
        assert_eq!(deadline, minted_at.monotonic + LONGEST_WAIT);
    }

    #[test]
    fn a_token_is_good_until_it_expires() {
        let minted_at = now();
        let token = tokens(KEY, None).mint(Subject::ANYBODY, &point(minted_at), minted_at, NONCE);
        let last = later(minted_at, LIFETIME);
        assert!(
            tokens(KEY, None)
                .read(Subject::ANYBODY, &token, last)
                .is_ok()
        );
        let expired = later(minted_at, LIFETIME + Duration::from_millis(1));
        assert_eq!(
            tokens(KEY, None).read(Subject::ANYBODY, &token, expired),
            Err(Untaken::Stale)
        );
    }

    #[test]
    fn keys_are_changed_by_way_of_the_previous_one() {
        let (old, new) = (b"the old key", b"the new key");
        let minted_at = now();
        let token = tokens(old, None).mint(Subject::ANYBODY, &point(minted_at), minted_at, NONCE);
        assert!(
            tokens(new, Some(old))
                .read(Subject::ANYBODY, &token, minted_at)
                .is_ok()
        );
        assert_eq!(
            tokens(new, None).read(Subject::ANYBODY, &token, minted_at),
            Err(Untaken::Stale)
        );
    }

    #[test]
    fn a_token_of_another_subject_is_told_apart() {
        let (tokens, now) = (tokens(KEY, None), now());
        let token = tokens.mint(Subject("ana"), &point(now), now, NONCE);
        assert!(tokens.read(Subject("ana"), &token, now).is_ok());
        for other in [Subject("rui"), Subject::ANYBODY] {
            assert_eq!(tokens.read(other, &token, now), Err(Untaken::Foreign));
        }
    }

    #[test]
    fn every_bit_counts() {
        let minted_at = now();
        let good = tokens(KEY, None).mint(Subject::ANYBODY, &point(minted_at), minted_at, NONCE);
        let bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let token = URL_SAFE_NO_PAD.encode(&bytes);
            let expected = match bit / 8 <= Key::ID_LEN {
                true => Untaken::Stale,
                false => Untaken::Invalid,
            };
            let read = tokens(KEY, None).read(Subject::ANYBODY, &token, minted_at);
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
            let read = tokens(KEY, None).read(Subject::ANYBODY, token, now());
            assert!(read.is_err(), "{token:.20}");
        }
    }

    #[test]
    fn a_floor_over_many_partitions_is_left_out() {
        let now = now();
        let mut point = point(now);
        let floor = |partitions: usize| AnswerFloor::new(vec![5; partitions]);
        for (partitions, kept) in [(256, 256), (257, 0)] {
            point.question.as_mut().unwrap().floor = floor(partitions);
            let token = tokens(KEY, None).mint(Subject::ANYBODY, &point, now, NONCE);
            assert!(token.len() < Tokens::MAX_LEN);
            let read = tokens(KEY, None)
                .read(Subject::ANYBODY, &token, now)
                .unwrap();
            assert_eq!(read.question.unwrap().floor, floor(kept));
        }
    }

    #[test]
    fn keys_are_not_printed() {
        assert_eq!(
            format!("{:?}", TokenKeys::new(KEY, Some(KEY))),
            "TokenKeys(***)"
        );
    }
}
