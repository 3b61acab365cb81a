//! The server as a process, and what the system says that it takes.

use crate::{Result, disk};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often its memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(20);
/// Background work is over when the store's size and its CPU stand still for so long...
const STILL_FOR: Duration = Duration::from_secs(2);
/// ...and is not waited for longer than this.
const PATIENCE: Duration = Duration::from_secs(120);
/// CPU below this share of the time is standing still.
const IDLE_SHARE: f64 = 0.05;

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    url: String,
    store: PathBuf,
    peak: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    sampler: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts the binary on a store and waits until it listens.
    pub(crate) fn start(binary: &Path, store: &Path, more: &[String]) -> Result<Self> {
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(store)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", binary.display()))?;
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        let url = loop {
            let mut line = String::new();
            if lines.read_line(&mut line)? == 0 {
                return Err("the server ended before it listened".into());
            }
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest.trim().trim_end_matches(|c: char| !c.is_ascii_digit()).to_owned();
            }
        };
        // Nobody reads the rest, but a full pipe would stop the server.
        std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        let (peak, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let sampler = sample(child.id(), Arc::clone(&peak), Arc::clone(&ended));
        Ok(Self { child, url, store: store.to_owned(), peak, ended, sampler: Some(sampler) })
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// CPU time, user and system, since the process began.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name in parentheses may hold anything; fields 14 and 15 of proc(5) are the 12th and
        // 13th behind it.
        let (_, fields) = stat.rsplit_once(')').ok_or("/proc/PID/stat has no name")?;
        let ticks = fields.split_ascii_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.sum::<Result<u64, _>>()?;
        Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
    }

    /// The most anonymous memory that it was seen to have.
    pub(crate) fn peak_anonymous_bytes(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// The same since it was asked the last time, and what it has now at least.
    pub(crate) fn take_peak(&self) -> u64 {
        self.peak.swap(0, Ordering::Relaxed).max(anonymous_bytes(self.child.id()))
    }

    /// Bytes that it has written so far: given to system calls, and made to be stored by the disk.
    pub(crate) fn written_bytes(&self) -> Result<(u64, u64)> {
        let text = std::fs::read_to_string(format!("/proc/{}/io", self.child.id()))?;
        let figure = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|line| line.trim().parse::<u64>().ok())
        };
        let figures = figure("wchar").zip(figure("write_bytes"));
        Ok(figures.ok_or("/proc/PID/io has no wchar and write_bytes")?)
    }

    /// The bytes of the store as it is.
    pub(crate) fn store_bytes(&self) -> Result<u64> {
        disk::store_bytes(&self.store)
    }

    /// Begins anew to look for the most anonymous memory: what it has now is the least.
    pub(crate) async fn forget_peak(&self) {
        self.peak.store(0, Ordering::Relaxed);
        while self.peak.load(Ordering::Relaxed) == 0 && !self.ended.load(Ordering::Relaxed) {
            tokio::time::sleep(SAMPLE_EVERY).await;
        }
    }

    /// The bytes of the store, once background work has come to rest.
    pub(crate) async fn settled_bytes(&self) -> Result<u64> {
        let started = Instant::now();
        loop {
            let (bytes, cpu) = (disk::store_bytes(&self.store)?, self.cpu()?);
            tokio::time::sleep(STILL_FOR).await;
            let worked = (self.cpu()? - cpu).as_secs_f64() / STILL_FOR.as_secs_f64();
            let now = disk::store_bytes(&self.store)?;
            if now == bytes && worked < IDLE_SHARE || started.elapsed() > PATIENCE {
                return Ok(now);
            }
        }
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Ends it in order.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let id = i32::try_from(self.child.id())?;
        let id = rustix::process::Pid::from_raw(id).ok_or("a process has an id above 0")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server ended: {status}").into()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // It has ended already unless something failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(sampler) = self.sampler.take() {
            let _ = sampler.join();
        }
    }
}

/// The anonymous memory of a process; 0 if there is none with this id.
fn anonymous_bytes(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
    kib.unwrap_or(0u64) << 10
}

fn sample(id: u32, peak: Arc<AtomicU64>, ended: Arc<AtomicBool>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            peak.fetch_max(anonymous_bytes(id), Ordering::Relaxed);
            std::thread::sleep(SAMPLE_EVERY);
        }
    })
}
