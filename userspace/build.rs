//! Puts the eBPF object where `kernel::object` includes it.
fn main() {
    println!("cargo::rerun-if-env-changed=SIPWARD_XDP_OBJECT");
    let out = std::env::var("OUT_DIR").unwrap();
    let object = std::env::var("SIPWARD_XDP_OBJECT").expect("set SIPWARD_XDP_OBJECT for now");
    println!("cargo::rerun-if-changed={object}");
    std::fs::copy(object, format!("{out}/sipward.bpf.o")).unwrap();
}
