//! What counts depend on besides the program's text.

use crate::Result;
use std::process::Command;

/// The compiler, the processor as valgrind shows it, the C library and valgrind, in one line.
///
/// # Errors
/// Valgrind is missing.
pub(crate) fn describe() -> Result<String> {
    let valgrind = first_line("valgrind", "--version")
        .ok_or("valgrind can't be run: it is a package of that name")?;
    let library = first_line("getconf", "GNU_LIBC_VERSION");
    let library = library.unwrap_or_else(|| "another C library".to_owned());
    let processor = format!("{}{}", std::env::consts::ARCH, features());
    Ok(format!("{}, {processor}, {library}, {valgrind}", env!("LOGSTRATA_RUSTC")))
}

/// What differs between processors that valgrind does not hide: it shows AVX2 where there is some, and nothing
/// beyond.
fn features() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        return " with AVX2";
    }
    ""
}

fn first_line(program: &str, argument: &str) -> Option<String> {
    let said =
        Command::new(program).arg(argument).output().ok().filter(|run| run.status.success())?;
    Some(String::from_utf8_lossy(&said.stdout).lines().next()?.trim().to_owned())
}
