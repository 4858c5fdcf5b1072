//! `sipward capture`.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde::Serialize;
use xdp_prog::{
    bytes::Bytes,
    frame::{self, Packet},
};

use super::{
    failure::{Failure, wrong},
    interrupt,
    output::{Output, grouped},
    target::Target,
};
use crate::wire::{Offset, reason_name};
use sipward_engine::pcapng::{self, Writer};
use sipward_kernel::clock::now;
use sipward_kernel::{self as kernel, Captured, Capturing, Judged, Pins, Tables};
use sipward_types::{address::from_key, text_file::describe, time::Lifetime};

/// Write packets into a pcapng file, each with its verdict and reason as a comment
#[derive(Debug, Args)]
#[command(
    after_help = "Examples: sipward capture drops.pcapng --for 60s\n          sipward capture - --all \
                  --source 198.51.100.7 | tshark -r - -T fields -e frame.number -e pkt_comment\n\nPackets \
                  that XDP drops never reach tcpdump or sngrep. This captures packets to SIP ports only, \
                  and at most 2,048 bytes of each. It needs root and no daemon. Ctrl-C ends it."
)]
pub(super) struct Capture {
    /// File to write, which must not exist; `-` is standard output
    file: PathBuf,
    /// Also packets that pass
    #[arg(long)]
    all: bool,
    /// Only from this address or prefix
    #[arg(long, value_name = "ADDRESS|PREFIX")]
    source: Option<Target>,
    /// End after this time: 60s, 10m
    #[arg(long = "for", value_name = "TIME", default_value = "forever")]
    lasts: Lifetime,
    /// Maximum size of the file
    #[arg(long, value_name = "MEGABYTES", default_value_t = 100)]
    size: u64,
    /// Maximum packets a second on each CPU; more are only counted
    #[arg(long, value_name = "PACKETS", default_value_t = 1_000)]
    rate: u32,
}

/// The time after which the kernel stops capturing if this process is killed.
const GRACE: Duration = Duration::from_secs(3);
const WAIT: Duration = Duration::from_millis(250);
const MEGABYTE: u64 = 1_000_000;

#[derive(Serialize)]
struct Line<'a> {
    file: &'a Path,
    packets: u64,
    bytes: u64,
    missed: u64,
}

impl Capture {
    pub(super) fn run(&self, output: &mut Output) -> Result<(), Failure> {
        let pins = Pins::default();
        let mut tables = Tables::open(&pins)?;
        let _reader = pins.lock_captures()?;
        let mut writer = Writer::new(self.open()?, &origin())?;
        interrupt::listen();
        let missed_before = tables.captures_missed()?;
        let packets = self.capture(&mut tables, &mut writer);
        tables.set_capturing(None)?;
        let packets = packets?;
        writer.flush()?;
        let missed = tables.captures_missed()? - missed_before;
        if self.file == Path::new("-") {
            return Ok(output.warn(&format!("{} packets, {} missed", grouped(packets), grouped(missed)))?);
        }
        let (file, bytes) = (self.file.as_path(), writer.written());
        output.object(&Line { file, packets, bytes, missed })?;
        let path = file.display();
        output.say(format_args!("{path}: {} packets, {} missed", grouped(packets), grouped(missed)))?;
        Ok(())
    }

    fn open(&self) -> Result<BufWriter<Box<dyn Write>>, Failure> {
        let to: Box<dyn Write> = if self.file == Path::new("-") {
            Box::new(io::stdout())
        } else {
            let fail = |error: io::Error| wrong(format!("{}: {}", self.file.display(), describe(&error)));
            // Of this user alone: it may have names and digests in it.
            let mut private = File::options();
            private.write(true).create_new(true).mode(0o600);
            Box::new(private.open(&self.file).map_err(fail)?)
        };
        Ok(BufWriter::new(to))
    }

    /// The number of packets written.
    fn capture(&self, tables: &mut Tables, writer: &mut Writer<impl Write>) -> Result<u64, Failure> {
        let (end, limit) = (now().expiry(self.lasts), self.size.saturating_mul(MEGABYTE));
        let what = if self.all { Judged::All } else { Judged::Drops };
        let mut captures = tables.captures()?;
        let mut packets = 0;
        while now() < end && !interrupt::is_asked() {
            let until = now().expiry(Lifetime::For(GRACE)).min(end);
            tables.set_capturing(Some(Capturing { what, per_second: self.rate, until }))?;
            captures.wait(WAIT)?;
            let (names, offset) = (tables.signature_names()?, Offset::now());
            for captured in captures.by_ref().filter(|captured| self.wants(captured)) {
                if writer.written() + captured.frame.len() as u64 + OVERHEAD > limit {
                    return Ok(packets);
                }
                write(writer, &captured, &names, offset)?;
                packets += 1;
            }
            writer.flush()?;
        }
        Ok(packets)
    }

    fn wants(&self, captured: &Captured) -> bool {
        let Some(Target(net)) = self.source else { return true };
        let frame = Bytes::of(&captured.frame);
        let mut packet = Packet::default();
        frame::parse(
            frame,
            |offset, protocol| frame::extension_headers(frame, offset, protocol),
            &mut packet,
        );
        net.contains(&from_key(packet.source))
    }
}

/// More than a packet takes in the file besides its bytes.
const OVERHEAD: u64 = 256;

fn write(
    writer: &mut Writer<impl Write>,
    captured: &Captured,
    names: &[String],
    offset: Offset,
) -> io::Result<()> {
    let verdict = match (captured.reason.action(), captured.enforced) {
        (xdp_prog::reason::Action::Pass, _) => "pass",
        (xdp_prog::reason::Action::Drop, true) => "drop",
        (xdp_prog::reason::Action::Drop, false) => "would drop (monitor mode)",
    };
    let interface = kernel::interface_name(captured.interface).unwrap_or_else(|| "gone".to_owned());
    writer.packet(&pcapng::Packet {
        at: offset.to_wall(captured.at),
        interface: &interface,
        bytes: &captured.frame,
        length: captured.frame_length,
        comment: &format!("{verdict}: {}", reason_name(captured.reason, captured.signature, names)),
    })
}

fn origin() -> pcapng::Origin<'static> {
    pcapng::Origin {
        hardware: std::env::consts::ARCH,
        system: std::env::consts::OS,
        application: concat!("sipward ", env!("CARGO_PKG_VERSION")),
    }
}
