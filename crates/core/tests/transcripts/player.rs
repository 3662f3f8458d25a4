//! Plays a transcript's input on a lane and writes down what the lane does. Stands where the engine stands, with fakes
//! for sockets, time and dice.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::balance::EndpointLoad;
use tidegate_core::dice::Dice;
use tidegate_core::filter::forwarded::Peer;
use tidegate_core::lane::buffer::Shelf;
use tidegate_core::lane::{self, Act, Close, Event, Exposition, Fresh, Interest, Lane, Lease, Serving, Turn};
use tidegate_core::moment::Moment;

use crate::fault::Fault;
use crate::script::{Input, Script, Side};
use crate::socket::{Coming, Socket};
use crate::split::Split;
use crate::told::{self, Done, Seen};

/// More turns than any step needs: a lane that takes them all goes round in circles.
const MOST_TURNS: usize = 2_000_000;

/// No lane holds more bytes that wait to be sent than its two boxes and what was copied behind a head.
const MOST_WAITING: usize = 128 * 1024 + 2 * 64 * 1024 + 64;

/// What the kernel holds of bytes that go past the lane.
const PIPE: usize = 64 * 1024;

/// How long an idle connection may still carry a request in a drain, as the engine has it.
const GRACE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Asked {
    #[default]
    Nothing,
    /// The lane wants a connection, and the next input says at once what there is.
    Now,
    /// The lane waits for a connection.
    Waiting,
}

/// The way to an endpoint.
#[derive(Default)]
struct Way<'a> {
    socket: Option<Socket<'a>>,
    asked: Asked,
    /// What was said to a wish while the lane looked at the other way.
    answer: Option<Event>,
    /// It is the other one of two.
    is_second: bool,
}

impl Way<'_> {
    fn side(&self) -> Side {
        if self.is_second { Side::Second } else { Side::Upstream }
    }

    /// What a transcript says behind an act.
    fn suffix(&self) -> &'static str {
        if self.is_second { ", second" } else { "" }
    }

    /// Whether there is something that the lane would take, or room for what it has, if it looked.
    fn has_something(&self, writes: bool) -> bool {
        let socket = self.socket.as_ref();
        self.answer.is_some()
            || socket.is_some_and(|it| !it.coming.is_empty() || (writes && (it.room > 0 || it.refuses)))
    }
}

struct Player<'a> {
    script: &'a Script,
    at: usize,
    lane: Lane,
    serving: Rc<Serving>,
    /// Those of the first snapshot's endpoints.
    loads: Vec<Arc<EndpointLoad>>,
    dice: Dice,
    shelf: Shelf,
    now: Moment,
    leave_at: Moment,
    down: Socket<'a>,
    up: Way<'a>,
    behind: Option<Way<'a>>,
    /// What of an answer went past the lane, and waits for the client; none where nothing ever does.
    pipe: Option<Vec<u8>>,
    interest: Interest,
    is_over: bool,
    turns: usize,
    seen: Vec<Seen>,
}

/// Plays `script`; says for each step what came of it.
pub(crate) fn play(script: &Script, split: Split) -> Result<Vec<Done>, String> {
    let mut player = Player::new(script)?;
    player.pipe = (split == Split::Spliced).then(Vec::new);
    let mut done = Vec::new();
    for (at, step) in script.steps.iter().enumerate() {
        player.at = at;
        player.turns = 0;
        match player.take(&step.input, at, split) {
            Err(Fault::Script(_)) if script.is_guessed => {}
            taken => taken.map_err(|fault| format!("{}: {fault}", step.line))?,
        }
        player.check_load(false).map_err(|says| format!("{}: {says}", step.line))?;
        done.push(Done {
            seen: std::mem::take(&mut player.seen),
            waits: told::waits(player.is_over, player.interest, player.now),
        });
    }
    player.lane.clear(&mut player.shelf);
    player.check_load(true).map(|()| done)
}

impl<'a> Player<'a> {
    fn new(script: &'a Script) -> Result<Self, String> {
        let (client, local) = (SocketAddr::from(([192, 0, 2, 1], 4000)), SocketAddr::from(([192, 0, 2, 80], 80)));
        let mut dice = Dice::seeded(1);
        let now = Moment::from_nanos(1_000_000_000_000);
        let serving = Rc::new(Serving::new(Arc::new(script.setting.compile(None)?), None, &mut dice));
        let endpoints = serving.compiled.upstreams.iter().flat_map(|upstream| &upstream.endpoints);
        let loads = endpoints.map(|endpoint| Arc::clone(&endpoint.load)).collect();
        let proxied = serving.compiled.listeners.first().is_some_and(|listener| listener.proxy_protocol);
        let lane = Lane::new(Peer::new(Some(client), Some(local)), proxied, now);
        Ok(Self {
            script,
            at: 0,
            lane,
            serving,
            loads,
            dice,
            shelf: Shelf::new(),
            now,
            leave_at: Moment::NEVER,
            down: Socket::new(),
            up: Way::default(),
            behind: None,
            pipe: None,
            interest: Interest::default(),
            is_over: false,
            turns: 0,
            seen: Vec::new(),
        })
    }

    /// An endpoint is loaded with the exchange under way, and with none once that is over.
    fn check_load(&self, is_over: bool) -> Result<(), String> {
        let is_idle = is_over || self.is_over || self.lane.exchange().is_none();
        let most = if is_idle { 0 } else { 1 + u32::from(self.behind.is_some()) };
        let loads = self.loads.iter().map(|load| load.outstanding());
        let all: u32 = loads.sum();
        if all > most { Err(format!("endpoints are loaded with {all} exchanges")) } else { Ok(()) }
    }

    fn take(&mut self, input: &'a Input, step: usize, split: Split) -> Result<(), Fault> {
        if self.is_over {
            return Err(Fault::Script("the connection is over already"));
        }
        match input {
            Input::Accepted => return self.run(Event::Accepted),
            Input::Connected { reused, has_room } => {
                let socket = Socket { room: if *has_room { usize::MAX } else { 0 }, ..Socket::new() };
                self.asking()?.socket = Some(socket);
                return self.answer_lease(Event::Leased { reused: reused.then_some(Duration::from_millis(500)) });
            }
            Input::Queued => return self.answer_lease(Event::Queued),
            Input::Connecting => return self.answer_lease(Event::Connecting),
            Input::Failed(kind) => return self.answer_lease(Event::LeaseFailed(*kind)),
            Input::Pass(time) => return self.pass(*time),
            Input::Reload(setting) => {
                let compiled = setting.compile(Some(&self.serving.compiled)).map_err(Fault::Lane)?;
                self.serving = Rc::new(Serving::new(Arc::new(compiled), Some(&self.serving), &mut self.dice));
                return self.run(Event::Woken);
            }
            Input::Drain => {
                self.leave_at = self.now.after(GRACE);
                return self.run(Event::Woken);
            }
            Input::Bytes(side, bytes) => {
                let pieces = split.pieces(step, bytes);
                self.socket(*side)?.coming.extend(pieces.into_iter().map(Coming::Bytes));
            }
            Input::Closed(side) => self.socket(*side)?.coming.push_back(Coming::End),
            Input::Reset(side) => self.socket(*side)?.coming.push_back(Coming::Reset),
            Input::Refuses(side) => self.socket(*side)?.refuses = true,
            Input::Takes(side, room) => self.socket(*side)?.room = *room,
        }
        match self.first_event() {
            Some(event) => self.run(event),
            None => Ok(()),
        }
    }

    fn socket(&mut self, side: Side) -> Result<&mut Socket<'a>, Fault> {
        match side {
            Side::Downstream => Ok(&mut self.down),
            Side::Upstream | Side::Second => {
                let ways = [Some(&mut self.up), self.behind.as_mut()].into_iter().flatten();
                let socket = ways.filter(|way| way.side() == side).find_map(|way| way.socket.as_mut());
                socket.ok_or(Fault::Script("there is no such connection"))
            }
        }
    }

    /// The way for which a connection is asked for: that which the lane looks at, before the other one.
    fn asking(&mut self) -> Result<&mut Way<'a>, Fault> {
        let Interest { lease, behind, .. } = self.interest;
        match (self.up.asked, self.behind.as_mut().filter(|_| behind)) {
            (Asked::Now, _) => Ok(&mut self.up),
            (Asked::Waiting, _) if lease => Ok(&mut self.up),
            (_, Some(other)) if other.asked == Asked::Waiting && other.answer.is_none() => Ok(other),
            (Asked::Waiting, _) => Err(Fault::Script("the connection that was asked for is not waited for")),
            (Asked::Nothing, _) => Err(Fault::Script("no connection was asked for")),
        }
    }

    fn answer_lease(&mut self, event: Event) -> Result<(), Fault> {
        let now = self.up.asked == Asked::Now;
        self.asking()?.answer = Some(event);
        match if now { self.take_answer() } else { self.first_event() } {
            Some(event) => self.run(event),
            None => Ok(()),
        }
    }

    /// What was said to the wish for a connection.
    fn take_answer(&mut self) -> Option<Event> {
        let answer = self.up.answer.take()?;
        let goes_on = matches!(answer, Event::Queued | Event::Connecting);
        self.up.asked = if goes_on { Asked::Waiting } else { Asked::Nothing };
        Some(answer)
    }

    /// Time passes; what is due on the way happens when it is due.
    fn pass(&mut self, time: Duration) -> Result<(), Fault> {
        let end = self.now.after(time);
        while !self.is_over && self.interest.deadline <= end {
            let due = self.interest.deadline.max(self.now);
            self.now = due;
            self.run(Event::Woken)?;
            if !self.is_over && self.up.asked != Asked::Now && self.interest.deadline <= due {
                return Err(Fault::Lane("a deadline that has passed is waited for again".into()));
            }
        }
        self.now = end;
        Ok(())
    }

    /// Tells the lane what happened, and does what it says until it waits for what the script does not yet have.
    fn run(&mut self, event: Event) -> Result<(), Fault> {
        let mut event = Some(event);
        while let Some(what) = event {
            self.turns += 1;
            if self.turns > MOST_TURNS {
                return Err(Fault::Lane("the lane goes round in circles".into()));
            }
            event = match self.next(what) {
                Act::Wait(interest) => {
                    self.check(interest)?;
                    self.interest = interest;
                    self.first_event()
                }
                Act::Lease(lease) => self.lease(lease),
                Act::GiveBack(keep) => {
                    self.up.socket = None;
                    let idle = keep.idle.map_or_else(String::new, |idle| format!(" {idle:?}"));
                    Some(self.did(format!("keep{idle}{}", self.up.suffix())))
                }
                Act::DropUpstream => {
                    let is_second = self.up.is_second;
                    self.up = Way { is_second, ..Way::default() };
                    Some(self.did(format!("drop{}", self.up.suffix())))
                }
                Act::Swap => {
                    let new = || Way { is_second: true, ..Way::default() };
                    std::mem::swap(&mut self.up, self.behind.get_or_insert_with(new));
                    Some(Event::Done)
                }
                Act::DropBehind => {
                    let suffix =
                        self.behind.take().ok_or_else(|| Fault::Lane("there is nothing behind".into()))?.suffix();
                    Some(self.did(format!("drop{suffix}")))
                }
                Act::Shut(lane::Side::Downstream) => Some(self.did("shut downstream")),
                Act::Shut(lane::Side::Upstream) => Some(self.did("shut upstream")),
                Act::Meet => {
                    let client = String::from_utf8_lossy(self.lane.peer().ip_text()).into_owned();
                    Some(self.did(format!("meet {client}")))
                }
                Act::Metrics(form) => {
                    self.supply(b"up 1\n");
                    Some(self.did(match form {
                        Exposition::Text => "metrics as text",
                        Exposition::OpenMetrics => "metrics as OpenMetrics",
                    }))
                }
                Act::Mirror => {
                    let copy = self.lane.copy().map(|copy| copy.bytes);
                    let copy = copy.as_deref().map_or("too many are under way".into(), crate::notation::show);
                    Some(self.did(format!("mirror {copy}")))
                }
                Act::Report => {
                    let report = self.lane.exchange().map_or_else(String::new, told::report);
                    Some(self.did(format!("report {report}")))
                }
                Act::SpeakHttp2 => {
                    self.is_over = true;
                    self.did("http2");
                    None
                }
                Act::Close(how) => {
                    self.is_over = true;
                    self.did(match how {
                        Close::Now => "close",
                        Close::Linger => "close linger",
                        Close::Reset => "close reset",
                    });
                    None
                }
            };
        }
        Ok(())
    }

    fn did(&mut self, act: impl Into<String>) -> Event {
        self.seen.push(Seen::Act(act.into()));
        Event::Done
    }

    /// What the pool says to a wish depends on the next input.
    fn lease(&mut self, lease: Lease) -> Option<Event> {
        let began_with = self.lane.exchange().and_then(|exchange| exchange.serving.as_ref());
        let serving = began_with.unwrap_or(&self.serving);
        let upstream = serving.upstream(lease.to).map_or("?", |upstream| &upstream.name);
        let address = serving.endpoint(lease.to).map_or("?", |endpoint| &endpoint.address);
        let fresh = match lease.fresh {
            Fresh::Any => "",
            Fresh::Recent => ", recent",
            Fresh::New => ", new",
        };
        let is_second = self.up.is_second && self.behind.is_some();
        self.up = Way { is_second, ..Way::default() };
        let act = format!("connect {upstream} {address}{fresh}{}", self.up.suffix());
        self.did(act);
        let next = self.script.steps.get(self.at + 1).map(|step| &step.input);
        if matches!(next, Some(Input::Queued | Input::Connected { reused: true, .. })) {
            self.up.asked = Asked::Now;
            return None;
        }
        self.up.asked = Asked::Waiting;
        Some(Event::Connecting)
    }

    /// The first that is ready of what the lane waits for, in the engine's order.
    fn first_event(&mut self) -> Option<Event> {
        if self.is_over || self.up.asked == Asked::Now {
            return None;
        }
        let Interest { read_downstream, write_downstream, read_upstream, write_upstream, lease, .. } = self.interest;
        let Interest { behind, write_behind, .. } = self.interest;
        (write_downstream.then(|| self.write(lane::Side::Downstream)).flatten())
            .or_else(|| write_upstream.then(|| self.write(lane::Side::Upstream)).flatten())
            .or_else(|| read_upstream.then(|| self.read(lane::Side::Upstream)).flatten())
            .or_else(|| lease.then(|| self.take_answer()).flatten())
            .or_else(|| {
                let other = self.behind.as_ref().filter(|_| behind);
                other.is_some_and(|other| other.has_something(write_behind)).then_some(Event::Behind)
            })
            .or_else(|| read_downstream.then(|| self.read(lane::Side::Downstream)).flatten())
    }

    /// The side that the lane calls so, in the words of a transcript.
    fn named(&self, side: lane::Side) -> Side {
        match side {
            lane::Side::Downstream => Side::Downstream,
            lane::Side::Upstream => self.up.side(),
        }
    }

    fn write(&mut self, side: lane::Side) -> Option<Event> {
        let mut bytes = self.lane.waiting(side).concat();
        if let Some(pipe) = self.pipe.as_mut().filter(|pipe| side == lane::Side::Downstream && !pipe.is_empty()) {
            bytes = pipe.drain(..pipe.len().min(self.down.room)).collect();
        }
        let named = self.named(side);
        let socket = self.socket(named).ok()?;
        if socket.refuses || matches!(socket.coming.front(), Some(Coming::Reset)) {
            return Some(if side == lane::Side::Downstream { Event::Broke(side) } else { Event::Wrote(side, 0) });
        }
        bytes.truncate(socket.room);
        if bytes.is_empty() {
            return None;
        }
        let wrote = Event::Wrote(side, bytes.len());
        if socket.room != usize::MAX {
            socket.room -= bytes.len();
        }
        match self.seen.last_mut() {
            Some(Seen::Bytes(same, before)) if *same == named => before.extend(bytes),
            _ => self.seen.push(Seen::Bytes(named, bytes)),
        }
        Some(wrote)
    }

    fn read(&mut self, side: lane::Side) -> Option<Event> {
        let up = self.up.socket.as_mut();
        let socket = if side == lane::Side::Downstream { Some(&mut self.down) } else { up }?;
        let room = self.lane.room(side, &mut self.shelf);
        match socket.coming.pop_front() {
            None => {
                self.lane.rest(side, &mut self.shelf);
                None
            }
            Some(Coming::End) => {
                socket.coming.push_front(Coming::End);
                Some(Event::Read(side, 0))
            }
            Some(Coming::Reset) => {
                socket.coming.push_front(Coming::Reset);
                Some(Event::Broke(side))
            }
            Some(Coming::Bytes(bytes)) => {
                let splice = if side == lane::Side::Upstream { self.interest.splice.min(PIPE) } else { 0 };
                let pipe = self.pipe.as_mut().filter(|_| splice > 0);
                let most = if pipe.is_some() { splice } else { room.len() };
                let (now, later) = bytes.split_at(bytes.len().min(most));
                if !later.is_empty() {
                    socket.coming.push_front(Coming::Bytes(later));
                }
                if let Some(pipe) = pipe {
                    pipe.extend_from_slice(now);
                    return Some(Event::Spliced(now.len()));
                }
                room[..now.len()].copy_from_slice(now);
                (!now.is_empty()).then_some(Event::Read(side, now.len()))
            }
        }
    }

    /// What holds whatever is waited for.
    fn check(&self, interest: Interest) -> Result<(), Fault> {
        let waiting = |side| self.lane.waiting(side).iter().map(|slice| slice.len()).sum::<usize>();
        let spliced = self.pipe.as_ref().map_or(0, Vec::len);
        let (down, up) = (waiting(lane::Side::Downstream) + spliced, waiting(lane::Side::Upstream));
        if interest.read_upstream && down > 0 {
            return Err(Fault::Lane(format!(
                "more is read of the answer while {down} bytes of it wait for the client"
            )));
        }
        if interest.write_downstream != (down > 0) {
            return Err(Fault::Lane(format!("{down} bytes wait for the client, who is not asked to take them")));
        }
        if down > MOST_WAITING || (up > MOST_WAITING && self.script.setting.is_streaming()) {
            return Err(Fault::Lane(format!("{down} and {up} bytes wait to be sent")));
        }
        if interest.deadline == Moment::NEVER && !self.script.setting.has_no_limit() {
            return Err(Fault::Lane("somebody is waited for without a deadline".into()));
        }
        if self.lane.exchange().is_none() && (interest.read_upstream || interest.lease) {
            return Err(Fault::Lane("an endpoint is waited for without an exchange".into()));
        }
        Ok(())
    }

    fn next(&mut self, event: Event) -> Act {
        let (lane, mut turn) = self.turn();
        lane.next(event, &mut turn)
    }

    fn supply(&mut self, text: &[u8]) {
        let (lane, turn) = self.turn();
        lane.supply(text, &turn);
    }

    fn turn(&mut self) -> (&mut Lane, Turn<'_>) {
        let leaving = self.leave_at != Moment::NEVER;
        let turn = Turn {
            now: self.now,
            date: b"Sun, 06 Nov 1994 08:49:37 GMT",
            dice: &mut self.dice,
            shelf: &mut self.shelf,
            serving: &self.serving,
            listener: 0,
            leave_at: self.leave_at,
            leaving,
            ready: !leaving,
            crowded: self.script.setting.crowded,
        };
        (&mut self.lane, turn)
    }
}
