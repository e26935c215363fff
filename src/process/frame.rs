//! What provost and the guard say to each other, and how it looks on the line: a length, a tag, and the fields in
//! order, little-endian. Both ends are the same executable, so the format has no version.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use super::Stray;

/// One child for as long as the guard lives; process ids come back, tickets do not.
pub(super) type Ticket = u64;

/// What provost wants. `Spawn` travels with three file descriptors: the child's stdin, stdout and stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Spawn {
        ticket: Ticket,
        program: OsString,
        args: Vec<OsString>,
        env: Vec<(OsString, OsString)>,
        cwd: OsString,
    },
    End {
        ticket: Ticket,
        grace_ms: u32,
    },
    Workers {
        ticket: Ticket,
        question: u64,
    },
    Close,
}

/// What the guard has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    Ready,
    Spawned { ticket: Ticket, pid: u32 },
    Failed { ticket: Ticket, errno: i32 },
    Exited { ticket: Ticket, code: Option<i32>, signal: Option<i32>, strays: Vec<Stray> },
    Workers { question: u64, strays: Vec<Stray> },
    Closed { strays: Vec<Stray> },
}

/// The bytes are no frame: the other end is not what we think it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("broken frame on the line to the guard")]
pub(super) struct Broken;

/// Something that travels.
pub(super) trait Frame: Sized {
    fn put(&self, pen: &mut Pen);
    fn take(eye: &mut Eye<'_>) -> Result<Self, Broken>;

    /// The whole frame, its length first.
    fn encode(&self) -> Vec<u8> {
        let mut pen = Pen(vec![0; 4]);
        self.put(&mut pen);
        let length = count(pen.0.len() - 4).to_le_bytes();
        pen.0[..4].copy_from_slice(&length);
        pen.0
    }

    /// Takes the first whole frame out of `inbox`; `None` when it has not all come yet.
    fn decode(inbox: &mut Vec<u8>) -> Result<Option<Self>, Broken> {
        let Some((length, rest)) = inbox.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let mut eye = Eye(body);
        let frame = Self::take(&mut eye)?;
        if !eye.0.is_empty() {
            return Err(Broken);
        }
        inbox.drain(..length + 4);
        Ok(Some(frame))
    }
}

/// Nothing that travels comes near 4 GiB; if it did, the frame would be refused as broken.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Writes fields.
pub(super) struct Pen(Vec<u8>);

impl Pen {
    fn tag(&mut self, tag: u8) {
        self.0.push(tag);
    }

    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn option(&mut self, value: Option<i32>) {
        self.tag(u8::from(value.is_some()));
        self.u32(value.unwrap_or_default().cast_unsigned());
    }

    fn bytes(&mut self, value: &[u8]) {
        self.u32(count(value.len()));
        self.0.extend(value);
    }

    fn os(&mut self, value: &OsStr) {
        self.bytes(value.as_bytes());
    }

    fn strays(&mut self, strays: &[Stray]) {
        self.u32(count(strays.len()));
        for stray in strays {
            self.u32(stray.pid);
            self.bytes(stray.name.as_bytes());
        }
    }
}

/// Reads fields.
pub(super) struct Eye<'a>(&'a [u8]);

impl Eye<'_> {
    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (head, rest) = self.0.split_first_chunk::<N>().ok_or(Broken)?;
        self.0 = rest;
        Ok(*head)
    }

    fn tag(&mut self) -> Result<u8, Broken> {
        self.fixed::<1>().map(|[tag]| tag)
    }

    fn u32(&mut self) -> Result<u32, Broken> {
        self.fixed().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Broken> {
        self.fixed().map(u64::from_le_bytes)
    }

    fn option(&mut self) -> Result<Option<i32>, Broken> {
        let some = self.tag()? == 1;
        let value = self.u32()?.cast_signed();
        Ok(some.then_some(value))
    }

    fn bytes(&mut self) -> Result<Vec<u8>, Broken> {
        let length = self.u32()? as usize;
        let (head, rest) = self.0.split_at_checked(length).ok_or(Broken)?;
        self.0 = rest;
        Ok(head.to_vec())
    }

    fn os(&mut self) -> Result<OsString, Broken> {
        self.bytes().map(OsString::from_vec)
    }

    fn many<T>(&mut self, mut one: impl FnMut(&mut Self) -> Result<T, Broken>) -> Result<Vec<T>, Broken> {
        (0..self.u32()?).map(|_| one(self)).collect()
    }

    fn strays(&mut self) -> Result<Vec<Stray>, Broken> {
        self.many(|eye| {
            Ok(Stray { pid: eye.u32()?, name: String::from_utf8_lossy(&eye.bytes()?).into_owned() })
        })
    }
}

impl Frame for Order {
    fn put(&self, pen: &mut Pen) {
        match self {
            Self::Spawn { ticket, program, args, env, cwd } => {
                pen.tag(0);
                pen.u64(*ticket);
                pen.os(program);
                pen.u32(count(args.len()));
                for arg in args {
                    pen.os(arg);
                }
                pen.u32(count(env.len()));
                for (name, value) in env {
                    pen.os(name);
                    pen.os(value);
                }
                pen.os(cwd);
            }
            Self::End { ticket, grace_ms } => {
                pen.tag(1);
                pen.u64(*ticket);
                pen.u32(*grace_ms);
            }
            Self::Workers { ticket, question } => {
                pen.tag(2);
                pen.u64(*ticket);
                pen.u64(*question);
            }
            Self::Close => pen.tag(3),
        }
    }

    fn take(eye: &mut Eye<'_>) -> Result<Self, Broken> {
        Ok(match eye.tag()? {
            0 => Self::Spawn {
                ticket: eye.u64()?,
                program: eye.os()?,
                args: eye.many(Eye::os)?,
                env: eye.many(|eye| Ok((eye.os()?, eye.os()?)))?,
                cwd: eye.os()?,
            },
            1 => Self::End { ticket: eye.u64()?, grace_ms: eye.u32()? },
            2 => Self::Workers { ticket: eye.u64()?, question: eye.u64()? },
            3 => Self::Close,
            _ => return Err(Broken),
        })
    }
}

impl Frame for Word {
    fn put(&self, pen: &mut Pen) {
        match self {
            Self::Ready => pen.tag(0),
            Self::Spawned { ticket, pid } => {
                pen.tag(1);
                pen.u64(*ticket);
                pen.u32(*pid);
            }
            Self::Failed { ticket, errno } => {
                pen.tag(2);
                pen.u64(*ticket);
                pen.u32(errno.cast_unsigned());
            }
            Self::Exited { ticket, code, signal, strays } => {
                pen.tag(3);
                pen.u64(*ticket);
                pen.option(*code);
                pen.option(*signal);
                pen.strays(strays);
            }
            Self::Workers { question, strays } => {
                pen.tag(4);
                pen.u64(*question);
                pen.strays(strays);
            }
            Self::Closed { strays } => {
                pen.tag(5);
                pen.strays(strays);
            }
        }
    }

    fn take(eye: &mut Eye<'_>) -> Result<Self, Broken> {
        Ok(match eye.tag()? {
            0 => Self::Ready,
            1 => Self::Spawned { ticket: eye.u64()?, pid: eye.u32()? },
            2 => Self::Failed { ticket: eye.u64()?, errno: eye.u32()?.cast_signed() },
            3 => Self::Exited {
                ticket: eye.u64()?,
                code: eye.option()?,
                signal: eye.option()?,
                strays: eye.strays()?,
            },
            4 => Self::Workers { question: eye.u64()?, strays: eye.strays()? },
            5 => Self::Closed { strays: eye.strays()? },
            _ => return Err(Broken),
        })
    }
}

#[cfg(test)]
mod tests;
