//! The XDP program: the packet path of the library over the kernel's maps.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]

#[cfg(target_arch = "bpf")]
mod kernel;

#[cfg(not(target_arch = "bpf"))]
fn main() {
    // The program exists only for the kernel. On the host this crate is its library.
}
