//! One call of the Qualys API: the request, its answer read as a stream, waits and further
//! attempts.
//!
//! One request is in flight at a time: [`Caller`] is used by a single owner.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use super::answer::{self, ApiRefusal, Reaction};
use super::error::ReviewError;
use super::xml::{self, Element, XmlFault};
use crate::clock;
use crate::upstream::{ApiAnswer, ApiFault, ApiServer, FailureCause};

/// Attempts at a call that fails, the first included.
const ATTEMPTS: u32 = 3;

/// Pause before the second attempt; each further one is twice as long.
const BACK_OFF: Duration = Duration::from_secs(2);

/// Pause where the limit does not say how long: the concurrency limit ends with another call.
const UNSAID: Duration = Duration::from_secs(60);

/// Octets of the answer to an error that are read.
const ERROR_BODY: usize = 64 << 10;

/// Pieces of a body that wait for the reader.
const PIECES: usize = 4;

/// Longest text of a server in a message, characters.
const WORDS: usize = 200;

/// Kind of call.
#[derive(Debug, Clone, Copy)]
pub struct ApiCall {
    /// Its path.
    pub path: &'static str,
    /// Name of the elements that are its records.
    pub record: &'static str,
    /// `Content-Type` of its body.
    pub content_type: &'static str,
}

/// Records of one answer, with what else it held.
#[derive(Debug)]
pub struct ListAnswer<T> {
    /// The records, in order.
    pub records: Vec<T>,
    /// The rest of the document, or the reason why its end is missing.
    pub rest: Result<Element, XmlFault>,
}

/// Makes calls, one after the other.
pub struct Caller {
    server: ApiServer,
    give_up_after: Duration,
    back_off: Duration,
    /// No call before this moment.
    not_before: Option<Instant>,
}

/// Outcome of one attempt.
enum Attempt<T> {
    List(ListAnswer<T>),
    Failed {
        reaction: Reaction,
        reason: String,
        pause: Option<Duration>,
    },
    NoAnswer(ApiFault),
    NotUnderstood(XmlFault),
}

impl Caller {
    /// Returns a caller of `server`. `give_up_after` bounds the waits of one call.
    #[must_use]
    pub const fn new(server: ApiServer, give_up_after: Duration) -> Self {
        Self {
            server,
            give_up_after,
            back_off: BACK_OFF,
            not_before: None,
        }
    }

    /// Returns the server that is asked.
    #[must_use]
    pub const fn server(&self) -> &ApiServer {
        &self.server
    }

    /// Makes the call, and converts each record with `make`.
    ///
    /// # Errors
    /// When there is no list. One that breaks off is no error: [`ListAnswer::rest`] says so.
    pub async fn call<T: Send + 'static>(
        &mut self,
        call: ApiCall,
        body: &str,
        make: fn(&Element) -> T,
    ) -> Result<ListAnswer<T>, ReviewError> {
        let started = clock::instant();
        let mut attempts = 0;
        let mut back_off = self.back_off;
        loop {
            if let Some(until) = self.not_before.take() {
                tokio::time::sleep_until(until.into()).await;
            }
            attempts += 1;
            let (error, pause) = match self.attempt(call, body, make).await? {
                Attempt::List(answered) => return Ok(answered),
                Attempt::Failed {
                    reaction,
                    reason,
                    pause,
                } => match reaction {
                    Reaction::Credentials => {
                        return Err(ReviewError::Credentials {
                            call: call.path,
                            reason,
                        });
                    }
                    Reaction::Denied => {
                        return Err(ReviewError::Denied {
                            call: call.path,
                            reason,
                        });
                    }
                    Reaction::Refused => {
                        return Err(ReviewError::NotUnderstood {
                            call: call.path,
                            reason,
                        });
                    }
                    Reaction::Wait(said) => {
                        let pause = pause.or(said).unwrap_or(UNSAID);
                        if started.elapsed() + pause > self.give_up_after {
                            return Err(ReviewError::Limited {
                                call: call.path,
                                pause,
                                reason,
                            });
                        }
                        tracing::info!(
                            call = call.path,
                            seconds = pause.as_secs(),
                            reason,
                            "The Qualys API asks to wait."
                        );
                        // A wait that was asked for is no failed attempt.
                        attempts -= 1;
                        tokio::time::sleep(pause).await;
                        continue;
                    }
                    Reaction::Retry => (
                        ReviewError::Unavailable {
                            call: call.path,
                            cause: FailureCause::Other,
                            reason,
                        },
                        pause,
                    ),
                },
                Attempt::NoAnswer(fault) => {
                    let is_final = matches!(fault.cause, FailureCause::Tls { .. } | FailureCause::ProxyLogin);
                    let error = ReviewError::Unavailable {
                        call: call.path,
                        cause: fault.cause,
                        reason: fault.reason,
                    };
                    if is_final {
                        return Err(error);
                    }
                    (error, None)
                }
                Attempt::NotUnderstood(fault) => (
                    ReviewError::NotUnderstood {
                        call: call.path,
                        reason: self.server.shown(&fault.to_string(), WORDS),
                    },
                    None,
                ),
            };
            let pause = pause.unwrap_or(back_off);
            if attempts >= ATTEMPTS || started.elapsed() + pause > self.give_up_after {
                return Err(error);
            }
            back_off *= 2;
            tokio::time::sleep(pause).await;
        }
    }

    /// Sends the request once.
    async fn attempt<T: Send + 'static>(
        &mut self,
        call: ApiCall,
        body: &str,
        make: fn(&Element) -> T,
    ) -> Result<Attempt<T>, ReviewError> {
        let sent = self.server.post(call.path, call.content_type, body.to_owned());
        let mut answer = match sent.await {
            Ok(answer) => answer,
            Err(fault) => return Ok(Attempt::NoAnswer(fault)),
        };
        let (status, pause) = (answer.status, answer.asked_pause());
        if !(200..300).contains(&status) {
            return Ok(failed(&self.server, &mut answer, pause).await);
        }
        let not_before = answer
            .is_last_call()
            .then(|| pause.map(|pause| clock::instant() + pause))
            .flatten();
        let answered = parsed(&mut answer, call.record, make).await?;
        self.not_before = not_before;
        let refusal = answered.rest.as_ref().ok().and_then(answer::refusal);
        if let Some(refusal) = refusal {
            return Ok(Attempt::Failed {
                reaction: refusal.reaction(status),
                reason: shown(&self.server, &refusal, status),
                pause,
            });
        }
        Ok(match answered.rest {
            Err(fault) if answered.records.is_empty() => match fault {
                XmlFault::Broken(reason) => Attempt::NoAnswer(ApiFault {
                    cause: FailureCause::Other,
                    reason,
                }),
                fault => Attempt::NotUnderstood(fault),
            },
            rest => Attempt::List(ListAnswer {
                records: answered.records,
                rest,
            }),
        })
    }
}

fn shown(server: &ApiServer, refusal: &ApiRefusal, status: u16) -> String {
    let text = match status {
        200..=299 => refusal.to_string(),
        status => format!("status {status}: {refusal}"),
    };
    server.shown(&text, WORDS)
}

/// Reads the answer of a status that is no success.
async fn failed<T>(server: &ApiServer, answer: &mut ApiAnswer<'_>, pause: Option<Duration>) -> Attempt<T> {
    let status = answer.status;
    let mut body = Vec::new();
    // The status of an error says enough without its body.
    while let Ok(Some(chunk)) = answer.chunk().await {
        let room = ERROR_BODY - body.len();
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    let document = xml::read(body.as_slice(), "", &mut drop);
    let (reaction, reason) = match document.as_ref().ok().and_then(answer::refusal) {
        Some(refusal) => (refusal.reaction(status), shown(server, &refusal, status)),
        None => {
            let words = document.err().map(|fault| fault.to_string()).unwrap_or_default();
            let text = server.shown(&format!("status {status}: {words}"), WORDS);
            (answer::of_status(status, &String::from_utf8_lossy(&body)), text)
        }
    };
    Attempt::Failed {
        reaction,
        reason,
        pause,
    }
}

/// Reads the body as it arrives, on a thread of its own.
async fn parsed<T: Send + 'static>(
    answer: &mut ApiAnswer<'_>,
    record: &'static str,
    make: fn(&Element) -> T,
) -> Result<ListAnswer<T>, ReviewError> {
    let (sender, pieces) = mpsc::channel(PIECES);
    let reader = tokio::task::spawn_blocking(move || {
        let mut records = Vec::new();
        let rest = xml::read(Pieces::new(pieces), record, &mut |element| {
            records.push(make(&element));
        });
        ListAnswer { records, rest }
    });
    loop {
        let (piece, is_last) = match answer.chunk().await {
            Ok(Some(chunk)) => (Ok(chunk), false),
            Ok(None) => break,
            Err(fault) => (Err(fault.reason), true),
        };
        // A reader that has read enough drops the receiver.
        if sender.send(piece).await.is_err() || is_last {
            break;
        }
    }
    drop(sender);
    reader
        .await
        .map_err(|panic| ReviewError::Internal(format!("the reader of an answer: {panic}")))
}

/// Body as a source of octets, for the thread that reads it.
struct Pieces {
    pieces: mpsc::Receiver<Result<Bytes, String>>,
    piece: Bytes,
}

impl Pieces {
    const fn new(pieces: mpsc::Receiver<Result<Bytes, String>>) -> Self {
        Self {
            pieces,
            piece: Bytes::new(),
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(reason)) => return Err(io::Error::other(reason)),
                None => return Ok(0),
            }
        }
        let taken = self.piece.len().min(into.len());
        self.piece.copy_to_slice(&mut into[..taken]);
        Ok(taken)
    }
}
