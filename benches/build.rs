//! Tells the benches which compiler built them: instruction counts compare within one compiler only.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let rustc = std::env::var_os("RUSTC").expect("cargo names the compiler");
    let version = Command::new(rustc).arg("--version").output().expect("the compiler runs");
    let version = String::from_utf8(version.stdout).expect("a version is text");
    println!("cargo:rustc-env=LOGSTRATA_RUSTC={}", version.trim());
}
