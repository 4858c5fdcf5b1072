//! The few bpf(2) commands that aya has no word for.

use std::{
    ffi::CString,
    io,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
    thread,
    time::Duration,
};

use xdp_prog::abi::Plain;

use super::layout::Layout;

const BPF_MAP_CREATE: libc::c_int = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_int = 1;
const BPF_OBJ_PIN: libc::c_int = 6;
const BPF_OBJ_GET: libc::c_int = 7;
const BPF_PROG_TEST_RUN: libc::c_int = 10;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const BPF_MAP_LOOKUP_BATCH: libc::c_int = 24;
const BPF_MAP_UPDATE_BATCH: libc::c_int = 26;
const BPF_LINK_CREATE: libc::c_int = 28;
const BPF_LINK_UPDATE: libc::c_int = 29;
const BPF_LINK_GET_FD_BY_ID: libc::c_int = 30;
const BPF_LINK_DETACH: libc::c_int = 34;

#[repr(C)]
struct MapCreate {
    kind: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    name: [u8; 16],
}

pub(super) fn create_map(layout: &Layout) -> io::Result<OwnedFd> {
    let mut attributes = MapCreate {
        kind: layout.kind as u32,
        key_size: layout.key as u32,
        value_size: layout.value as u32,
        max_entries: layout.entries as u32,
        flags: layout.flags,
        inner_map_fd: 0,
        numa_node: 0,
        name: [0; 16],
    };
    // The last byte stays zero: the kernel wants an end.
    for (to, from) in attributes.name[..15].iter_mut().zip(layout.name.bytes()) {
        *to = from;
    }
    // SAFETY: `MAP_CREATE` takes these attributes, which hold no pointers.
    let fd = unsafe { bpf(BPF_MAP_CREATE, &mut attributes) }?;
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[repr(C)]
struct Object {
    path: u64,
    fd: u32,
    flags: u32,
}

/// Gives a link a place in bpffs.
pub(super) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = Object { path: path.as_ptr() as u64, fd: object.as_raw_fd() as u32, flags: 0 };
    // SAFETY: `OBJ_PIN` takes these attributes, and `path` is a C string that outlives the call.
    unsafe { bpf(BPF_OBJ_PIN, &mut attributes) }.map(|_| ())
}

/// Opens what is pinned at `path`.
pub(super) fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = Object { path: path.as_ptr() as u64, fd: 0, flags: 0 };
    // SAFETY: as above, for `OBJ_GET`.
    let fd = unsafe { bpf(BPF_OBJ_GET, &mut attributes) }?;
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

const BPF_XDP: u32 = 37;
pub(super) const XDP_FLAGS_SKB_MODE: u32 = 1 << 1;
pub(super) const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

#[repr(C)]
struct LinkCreate {
    program_fd: u32,
    interface: u32,
    attach_type: u32,
    flags: u32,
}

/// Attaches a program to an interface. Not aya's `attach`: that falls back to a kind of attachment that
/// cannot be pinned, and leaves it behind when asked for one that can.
pub(super) fn attach_xdp(program: BorrowedFd<'_>, interface: u32, flags: u32) -> io::Result<OwnedFd> {
    let mut attributes =
        LinkCreate { program_fd: program.as_raw_fd() as u32, interface, attach_type: BPF_XDP, flags };
    // SAFETY: `LINK_CREATE` takes these attributes, which hold no pointers.
    let fd = unsafe { bpf(BPF_LINK_CREATE, &mut attributes) }?;
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

const BPF_TCX_EGRESS: u32 = 47;

#[repr(C)]
struct TcxLinkCreate {
    link: LinkCreate,
    /// Behind all others.
    relative_to: u32,
    padding: u32,
    expected_revision: u64,
}

/// Has a program see what leaves an interface, as long as the descriptor lives.
pub(super) fn attach_tcx_egress(program: BorrowedFd<'_>, interface: u32) -> io::Result<OwnedFd> {
    let program_fd = program.as_raw_fd() as u32;
    let link = LinkCreate { program_fd, interface, attach_type: BPF_TCX_EGRESS, flags: 0 };
    let mut attributes = TcxLinkCreate { link, relative_to: 0, padding: 0, expected_revision: 0 };
    // SAFETY: `LINK_CREATE` takes these attributes, which hold no pointers.
    let fd = unsafe { bpf(BPF_LINK_CREATE, &mut attributes) }?;
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[repr(C)]
struct LinkUpdate {
    link_fd: u32,
    program_fd: u32,
    flags: u32,
    old_program_fd: u32,
}

/// Lets a link run another program, with no packet between the two.
pub(super) fn update_link(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attributes = LinkUpdate {
        link_fd: link.as_raw_fd() as u32,
        program_fd: program.as_raw_fd() as u32,
        flags: 0,
        old_program_fd: 0,
    };
    // SAFETY: `LINK_UPDATE` takes these attributes, which hold no pointers.
    unsafe { bpf(BPF_LINK_UPDATE, &mut attributes) }.map(|_| ())
}

#[repr(C)]
struct LinkDetach {
    fd: u32,
}

/// Takes a link off at once. Only dropping it would leave that to a later moment of the kernel's.
pub(super) fn detach_link(link: BorrowedFd<'_>) -> io::Result<()> {
    let mut attributes = LinkDetach { fd: link.as_raw_fd() as u32 };
    // SAFETY: `LINK_DETACH` takes these attributes, which hold no pointers.
    unsafe { bpf(BPF_LINK_DETACH, &mut attributes) }.map(|_| ())
}

#[repr(C)]
struct GetById {
    id: u32,
    next_id: u32,
    flags: u32,
}

#[repr(C)]
struct GetInfo {
    fd: u32,
    length: u32,
    info: u64,
}

/// The kernel's description of an XDP link.
#[derive(Default)]
#[repr(C)]
struct XdpLinkInfo {
    kind: u32,
    id: u32,
    program: u32,
    reserved: u32,
    interface: u32,
}

/// The link with this id, which only CAP_SYS_ADMIN may ask for.
pub(super) fn open_link(id: u32) -> io::Result<OwnedFd> {
    let mut attributes = GetById { id, next_id: 0, flags: 0 };
    // SAFETY: `LINK_GET_FD_BY_ID` takes these attributes, which hold no pointers.
    let fd = unsafe { bpf(BPF_LINK_GET_FD_BY_ID, &mut attributes) }?;
    // SAFETY: a new descriptor that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The interface that an XDP link is on. Zero: it is gone.
pub(super) fn link_interface(link: BorrowedFd<'_>) -> io::Result<u32> {
    let mut info = XdpLinkInfo::default();
    let mut attributes = GetInfo {
        fd: link.as_raw_fd() as u32,
        length: size_of::<XdpLinkInfo>() as u32,
        info: (&raw mut info) as u64,
    };
    // SAFETY: `OBJ_GET_INFO_BY_FD` takes these attributes and writes no more than `length` bytes to `info`.
    unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attributes) }?;
    Ok(info.interface)
}

/// As much of what the kernel tells of a program as is asked for.
#[derive(Default)]
#[repr(C)]
struct ProgramInfo {
    kind: u32,
    id: u32,
}

pub(super) fn program_id(program: BorrowedFd<'_>) -> io::Result<u32> {
    let mut info = ProgramInfo::default();
    let mut attributes = GetInfo {
        fd: program.as_raw_fd() as u32,
        length: size_of::<ProgramInfo>() as u32,
        info: (&raw mut info) as u64,
    };
    // SAFETY: `OBJ_GET_INFO_BY_FD` takes these attributes and writes no more than `length` bytes to `info`.
    unsafe { bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attributes) }?;
    Ok(info.id)
}

#[repr(C)]
struct TestRun {
    program_fd: u32,
    answer: u32,
    data_size: u32,
    data_size_out: u32,
    data: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
}

/// The program's answer to a frame.
pub(super) fn test_run(program: BorrowedFd<'_>, frame: &[u8]) -> io::Result<u32> {
    let mut attributes = TestRun {
        program_fd: program.as_raw_fd() as u32,
        answer: 0,
        data_size: u32::try_from(frame.len()).map_err(io::Error::other)?,
        data_size_out: 0,
        data: frame.as_ptr() as u64,
        data_out: 0,
        repeat: 1,
        duration: 0,
    };
    // SAFETY: `PROG_TEST_RUN` takes these attributes, and reads `data_size` bytes of the frame.
    unsafe { bpf(BPF_PROG_TEST_RUN, &mut attributes) }?;
    Ok(attributes.answer)
}

#[repr(C)]
struct Element {
    map_fd: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Reads a value that is too large for the stack.
pub(super) fn lookup<K: Plain, V: Plain>(map: BorrowedFd<'_>, key: &K) -> io::Result<Box<V>> {
    let mut value = Box::<V>::new_uninit();
    let mut attributes = Element {
        map_fd: map.as_raw_fd() as u32,
        reserved: 0,
        key: std::ptr::from_ref(key) as u64,
        value: value.as_mut_ptr() as u64,
        flags: 0,
    };
    // SAFETY: `MAP_LOOKUP_ELEM` takes these attributes, reads a key and writes a value of the map's sizes; the map
    // was typed with `K` and `V`, whose sizes aya has compared with the map's.
    unsafe { bpf(BPF_MAP_LOOKUP_ELEM, &mut attributes) }?;
    // SAFETY: it succeeded, so all is written.
    Ok(unsafe { value.assume_init() })
}

#[repr(C)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    element_flags: u64,
    flags: u64,
}

/// Writes `keys[i]` → `values[i]` for all `i`. On an error, an unknown part of them is written.
pub(super) fn update_batch<K: Plain, V: Plain>(
    map: BorrowedFd<'_>,
    keys: &[K],
    values: &[V],
) -> io::Result<()> {
    assert_eq!(keys.len(), values.len(), "one value for each key");
    let mut attributes = Batch {
        in_batch: 0,
        out_batch: 0,
        keys: keys.as_ptr() as u64,
        values: values.as_ptr() as u64,
        count: u32::try_from(keys.len()).map_err(io::Error::other)?,
        map_fd: map.as_raw_fd() as u32,
        element_flags: 0,
        flags: 0,
    };
    // SAFETY: `MAP_UPDATE_BATCH` takes these attributes and reads `count` keys and values of the map's sizes;
    // the map was typed with `K` and `V`, whose sizes aya has compared with the map's.
    unsafe { bpf(BPF_MAP_UPDATE_BATCH, &mut attributes) }.map(|_| ())
}

/// Where the reading of a hash goes on: the number of a bucket.
#[derive(Clone, Copy, Debug)]
pub struct Bucket(u32);

/// Reads as many entries as `keys` and `values` have room for, in place of what is in them; `None`: these were the last.
/// An entry that is there all the time is read once, whatever comes or goes meanwhile.
pub(super) fn lookup_batch<K: Plain, V: Plain>(
    map: BorrowedFd<'_>,
    from: Option<Bucket>,
    keys: &mut Vec<K>,
    values: &mut Vec<V>,
) -> io::Result<Option<Bucket>> {
    keys.clear();
    values.clear();
    let room = keys.capacity().min(values.capacity());
    let mut next = Bucket(0);
    let mut attributes = Batch {
        in_batch: from.as_ref().map_or(0, |from| std::ptr::from_ref(&from.0) as u64),
        out_batch: (&raw mut next.0) as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: u32::try_from(room).map_err(io::Error::other)?,
        map_fd: map.as_raw_fd() as u32,
        element_flags: 0,
        flags: 0,
    };
    // SAFETY: `MAP_LOOKUP_BATCH` takes these attributes and writes at most `count` keys and values of the map's sizes,
    // for which there is room; the map was typed with `K` and `V`, whose sizes aya has compared with the map's. Of a
    // hash, the number of a bucket has 32 bits.
    let result = unsafe { bpf(BPF_MAP_LOOKUP_BATCH, &mut attributes) };
    let next = match result {
        Ok(_) => Some(next),
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => None,
        Err(error) => return Err(error),
    };
    let count = room.min(attributes.count as usize);
    // SAFETY: so many are written, and there is room for them.
    unsafe {
        keys.set_len(count);
        values.set_len(count);
    }
    Ok(next)
}

/// # Safety
/// `attributes` must be what `command` takes, and what they point to must be valid for it.
unsafe fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<RawFd> {
    // SAFETY: the pointer and the size are those of `attributes`; the rest is the caller's promise.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attributes), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as RawFd) }
}

/// Returns when every packet that is being judged now has been: `membarrier`'s global command waits for an RCU
/// grace period, and the kernel runs XDP programs inside RCU's read side.
pub(super) fn wait_for_readers() {
    const GLOBAL: libc::c_int = 1;
    /// A packet is judged within microseconds.
    const LONG_ENOUGH: Duration = Duration::from_millis(100);
    // SAFETY: no pointers.
    if unsafe { libc::syscall(libc::SYS_membarrier, GLOBAL, 0) } != 0 {
        // Kernels with `nohz_full` CPUs do not offer it.
        thread::sleep(LONG_ENOUGH);
    }
}
