//! One client: its requests, one after the other, and the answers to each.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Interest,
        duplex, unix::AsyncFd,
    },
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::spawn_blocking,
    time::timeout,
};

use super::{
    admission::Permissions,
    answers::{Answers, Gone, last},
    handler::{Handler, Limits},
    peer::Peer,
    request, role,
};
use crate::caller::Who;
use crate::refusal::Refusal;
use sipward_api::Call;

/// The maximum of buffered bytes of answers, besides the kernel's buffers.
const PAGE: usize = 1 << 16;

/// Somebody who was admitted.
pub(super) struct Client {
    pub(super) stream: UnixStream,
    pub(super) peer: Peer,
    pub(super) permissions: Permissions,
}

pub(super) struct Connection<H> {
    requests: BufReader<OwnedReadHalf>,
    answers: OwnedWriteHalf,
    hang_up: HangUp,
    handler: H,
    who: Who,
    permissions: Permissions,
    limits: Limits,
}

/// Input of a client.
enum Heard {
    Line(Vec<u8>),
    /// It does not ask any more.
    End,
    /// The start of the next request is unknown.
    Lost(Refusal),
}

impl<H: Handler> Connection<H> {
    pub(super) async fn open(client: Client, handler: H, limits: Limits) -> io::Result<Self> {
        let Client { stream, peer, permissions } = client;
        let hang_up = HangUp::of(&stream)?;
        let who = who(&peer, &limits).await;
        let (requests, answers) = stream.into_split();
        Ok(Self { requests: BufReader::new(requests), answers, hang_up, handler, who, permissions, limits })
    }

    /// Until the client is gone, or has to go.
    pub(super) async fn attend(mut self) -> Result<(), Gone> {
        loop {
            match self.hear().await {
                Heard::Line(line) => {
                    let outcome = match request::parse(&line).and_then(|call| self.permitted(call)) {
                        Ok(call) => {
                            drop(line);
                            self.answer(call).await?
                        }
                        Err(refusal) => Err(refusal),
                    };
                    self.end(outcome).await?;
                }
                Heard::End => return Ok(()),
                Heard::Lost(refusal) => return self.end(Err(refusal)).await,
            }
        }
    }

    fn permitted(&self, call: Call) -> Result<Call, Refusal> {
        let required = role::required(&call);
        if self.permissions.allow(required) {
            return Ok(call);
        }
        let (name, permissions) = (&self.who.name, &self.permissions);
        Err(Refusal::no(format!(
            "this call needs the role {required}, and {name} has {permissions}: add the user, or a group of the user \
             with @ before its name, to `{required}` in [roles] of the configuration, then `systemctl restart sipward`"
        )))
    }

    async fn hear(&mut self) -> Heard {
        let Limits { line: longest, idle, .. } = self.limits;
        let mut line = Vec::new();
        let mut bounded = (&mut self.requests).take(longest as u64 + 1);
        let lost = |problem| Heard::Lost(Refusal::wrong(problem));
        match timeout(idle, bounded.read_until(b'\n', &mut line)).await {
            Ok(Err(_)) => Heard::End,
            _ if line.is_empty() => Heard::End,
            _ if line.ends_with(b"\n") => Heard::Line(line),
            Ok(Ok(_)) if line.len() > longest => {
                lost(format!("the request is longer than {longest} bytes: ask in several parts"))
            }
            Ok(Ok(_)) => lost("the request has no end: a line ends with a line feed".to_owned()),
            Err(_) => lost(format!(
                "the request did not end within {} seconds with a line feed",
                idle.as_secs_f32()
            )),
        }
    }

    /// Ends the handler at any point once its client is gone.
    async fn answer(&mut self, call: Call) -> Result<Result<(), Refusal>, Gone> {
        let (to, from) = duplex(PAGE);
        let handled = self.handler.call(call, self.who.clone(), Answers::new(to));
        let delivered = deliver(from, &mut self.answers, &self.limits);
        let both = async { tokio::try_join!(async { Ok(handled.await) }, delivered) };
        tokio::select! {
            result = both => result.map(|(outcome, ())| outcome),
            () = self.hang_up.wait() => Err(Gone),
        }
    }

    async fn end(&mut self, outcome: Result<(), Refusal>) -> Result<(), Gone> {
        write(&mut self.answers, &last(outcome)?, &self.limits).await
    }
}

/// A directory of users on a network may be slow or away, and is no reason not to answer.
async fn who(peer: &Peer, limits: &Limits) -> Who {
    let asked = peer.clone();
    match timeout(limits.naming, spawn_blocking(move || asked.who())).await {
        Ok(Ok(who)) => who,
        _ => peer.nameless(),
    }
}

async fn deliver(mut from: DuplexStream, to: &mut OwnedWriteHalf, limits: &Limits) -> Result<(), Gone> {
    let mut page = Vec::with_capacity(PAGE);
    while from.read_buf(&mut page).await.map_err(|_| Gone)? > 0 {
        write(to, &page, limits).await?;
        page.clear();
    }
    Ok(())
}

/// A client may be as slow as it likes as long as it reads at all.
async fn write(to: &mut OwnedWriteHalf, mut bytes: &[u8], limits: &Limits) -> Result<(), Gone> {
    while !bytes.is_empty() {
        match timeout(limits.stall, to.write(bytes)).await {
            Ok(Ok(written)) if written > 0 => bytes = &bytes[written..],
            _ => return Err(Gone),
        }
    }
    Ok(())
}

/// Notices that a client is gone while there are no answers to send. A read does not serve for that: a client that has
/// closed only its sending side still wants its answers, and requests that it sent ahead may stay unread.
#[derive(Debug)]
struct HangUp(AsyncFd<OwnedFd>);

impl HangUp {
    fn of(stream: &UnixStream) -> io::Result<Self> {
        let socket = stream.as_fd().try_clone_to_owned()?;
        // For priority data, which no client sends: the kernel reports the end in any case.
        // SAFETY: an `OwnedFd` is the same open descriptor for as long as it lives.
        Ok(Self(unsafe { AsyncFd::register_with_interest(socket, Interest::PRIORITY) }?))
    }

    async fn wait(&self) {
        // An error means that the runtime ends.
        while let Ok(mut seen) = self.0.ready(Interest::PRIORITY).await {
            if seen.ready().is_read_closed() {
                return;
            }
            seen.clear_ready();
        }
    }
}
