//! Writes the seeds of all fuzz targets to where `cargo fuzz` looks for them: `fuzz/README.md`.
#![expect(clippy::disallowed_methods, reason = "writes files")]

use logstrata_tests::fuzz::{TARGETS, seeds};
use logstrata_tests::server::root;

fn main() -> std::io::Result<()> {
    for target in TARGETS {
        let dir = root().join("fuzz/corpus").join(target.name);
        std::fs::create_dir_all(&dir)?;
        for (seed, number) in seeds(target.name).iter().zip(0..) {
            std::fs::write(dir.join(format!("seed-{number:02}")), seed)?;
        }
    }
    Ok(())
}
