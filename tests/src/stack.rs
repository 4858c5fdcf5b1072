//! The stack of a loaded eBPF program. All functions of a call chain share 512 bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    os::fd::{AsFd as _, AsRawFd as _, BorrowedFd},
};

use anyhow::Context as _;
use aya::programs::loaded_programs;
use sipward_kernel::{Filter, LoadOptions};
use xdp_prog::abi::{EGRESS_PROGRAM, PROGRAM};

use crate::frame::udp;

/// The kernel's description of one of our programs.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub name: &'static str,
    /// The instructions that the verifier followed, all ways together: a million is all that it follows.
    pub verified: u32,
    /// In bytes.
    pub machine_code: u32,
    pub stack: Stack,
}

impl Loaded {
    /// Both programs, of a filter that is loaded for that.
    pub fn both() -> anyhow::Result<[Self; 2]> {
        let mut filter = Filter::load(&LoadOptions::default())?;
        // Loads the other program, too.
        filter.test_run_egress(&udp().build(), 1)?;
        Ok([Self::newest(PROGRAM)?, Self::newest(EGRESS_PROGRAM)?])
    }

    /// The newest program of this name, which the caller has just loaded.
    fn newest(name: &'static str) -> anyhow::Result<Self> {
        let programs = loaded_programs().filter_map(Result::ok);
        let program =
            programs.filter(|program| program.name_as_str() == Some(name)).max_by_key(|program| program.id());
        let program = program.with_context(|| format!("no program called {name} is loaded"))?;
        Ok(Self {
            name,
            verified: program.verified_instruction_count().unwrap_or_default(),
            machine_code: program.size_jitted(),
            stack: Stack::of(program.fd()?.as_fd())?,
        })
    }
}

impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, verified, machine_code, stack: Stack { first, deepest } } = self;
        write!(
            f,
            "{name}: the verifier followed {verified} instructions; {machine_code} bytes of machine code; {first} bytes \
             of stack, {deepest} of 512 with what it calls"
        )
    }
}

/// In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Of the program's first function.
    pub first: u32,
    /// Of the functions that call each other, where that is most; each rounded up, as Linux 6.1 does.
    pub deepest: u32,
}

impl Stack {
    /// Of the instructions that the kernel made of a program.
    pub fn of(program: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self::read(&instructions(program)?))
    }

    fn read(instructions: &[u64]) -> Self {
        let callees = |range: &[u64], start: usize| -> BTreeSet<usize> {
            range.iter().enumerate().filter_map(|(at, word)| callee(*word, start + at)).collect()
        };
        let starts: BTreeSet<_> = callees(instructions, 0).into_iter().chain([0]).collect();
        let ends = starts.iter().copied().skip(1).chain([instructions.len()]);
        let functions: BTreeMap<_, _> = starts
            .iter()
            .zip(ends)
            .map(|(start, end)| {
                let body = &instructions[*start..end];
                (*start, (used(body), callees(body, *start)))
            })
            .collect();
        Self { first: functions[&0].0, deepest: deepest(&functions, 0) }
    }
}

/// From there on. The verifier refuses recursion.
fn deepest(functions: &BTreeMap<usize, (u32, BTreeSet<usize>)>, start: usize) -> u32 {
    const STEP: u32 = 32;
    let (used, callees) = &functions[&start];
    let below = callees.iter().map(|callee| deepest(functions, *callee)).max();
    (*used).max(1).next_multiple_of(STEP) + below.unwrap_or_default()
}

const fn code(instruction: u64) -> u8 {
    instruction as u8
}

const fn to(instruction: u64) -> u8 {
    (instruction >> 8) as u8 & 15
}

const fn from(instruction: u64) -> u8 {
    (instruction >> 12) as u8 & 15
}

const fn offset(instruction: u64) -> i32 {
    ((instruction >> 16) as i16) as i32
}

const fn number(instruction: u64) -> i32 {
    (instruction >> 32) as i32
}

/// Where the function begins that is called.
fn callee(instruction: u64, at: usize) -> Option<usize> {
    const CALL: u8 = 0x85;
    /// And not one of the kernel's.
    const OF_THE_PROGRAM: u8 = 1;
    if code(instruction) != CALL || from(instruction) != OF_THE_PROGRAM {
        return None;
    }
    // Of a program that became machine code the kernel keeps the distance here, and a function's number there.
    let distance = if offset(instruction) == 0 { number(instruction) } else { offset(instruction) };
    (at + 1).checked_add_signed(distance as isize)
}

/// The greatest depth below the frame pointer at which a function reads, writes or points.
fn used(body: &[u64]) -> u32 {
    const END: u8 = 10;
    const LOAD: u8 = 1;
    const STORE_NUMBER: u8 = 2;
    const STORE: u8 = 3;
    const COPY: u8 = 0xbf;
    const ADD: u8 = 0x07;
    let mut lowest = 0;
    for (at, instruction) in body.iter().enumerate() {
        let reached = match code(*instruction) & 7 {
            LOAD if from(*instruction) == END => offset(*instruction),
            STORE | STORE_NUMBER if to(*instruction) == END => offset(*instruction),
            _ if code(*instruction) == COPY && from(*instruction) == END => {
                // The compiler makes a pointer in two steps, side by side.
                let next = body.get(at + 1).copied().unwrap_or_default();
                let is_step = code(next) == ADD && to(next) == to(*instruction);
                if is_step { number(next) } else { 0 }
            }
            _ => 0,
        };
        lowest = lowest.min(reached);
    }
    lowest.unsigned_abs()
}

fn instructions(program: BorrowedFd<'_>) -> io::Result<Vec<u64>> {
    let bytes = Info::default().ask(program)?.bytes;
    let mut instructions = vec![0_u64; bytes as usize / size_of::<u64>()];
    let place = instructions.as_mut_ptr() as u64;
    Info { bytes, place, ..Info::default() }.ask(program)?;
    Ok(instructions)
}

/// The first fields of the kernel's `bpf_prog_info`.
#[derive(Default)]
#[repr(C)]
struct Info {
    kind: u32,
    id: u32,
    tag: u64,
    native_bytes: u32,
    /// Of the instructions.
    bytes: u32,
    native_place: u64,
    place: u64,
}

impl Info {
    fn ask(mut self, program: BorrowedFd<'_>) -> io::Result<Self> {
        const INFO: i32 = 15;
        #[repr(C)]
        struct Attributes {
            program: u32,
            length: u32,
            info: u64,
        }
        let attributes = Attributes {
            program: program.as_raw_fd().unsigned_abs(),
            length: size_of::<Self>() as u32,
            info: &raw mut self as u64,
        };
        // SAFETY: the attributes, and what they and the info point to, live through the call.
        let result = unsafe { libc::syscall(libc::SYS_bpf, INFO, &attributes, size_of::<Attributes>()) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(self) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIT: u64 = 0x95;

    const fn instruction(code: u64, to: u64, from: u64, offset: i16, number: i32) -> u64 {
        code | to << 8 | from << 12 | (offset as u16 as u64) << 16 | (number as u32 as u64) << 32
    }

    #[test]
    fn the_deepest_chain_counts_and_each_function_is_rounded_up() {
        let store = |offset| instruction(0x7b, 10, 1, offset, 0);
        let load = |offset| instruction(0x79, 1, 10, offset, 0);
        let call = |distance| instruction(0x85, 0, 1, 0, distance);
        let program = [
            // Uses 40, calls the one with 64 and the one with none.
            store(-40),
            call(2),
            // As machine code has it.
            instruction(0x85, 0, 1, 4, 2),
            EXIT,
            // Points to 64.
            instruction(0xbf, 2, 10, 0, 0),
            instruction(0x07, 2, 0, 0, -64),
            EXIT,
            // Reads through another register, which is not the stack.
            instruction(0x79, 1, 2, -300, 0),
            EXIT,
        ];
        assert_eq!(Stack::read(&program), Stack { first: 40, deepest: 64 + 64 });
        assert_eq!(Stack::read(&[load(-8), EXIT]), Stack { first: 8, deepest: 32 });
        assert_eq!(Stack::read(&[EXIT]), Stack { first: 0, deepest: 32 });
    }
}
