//! The file system: every operation goes to the directory below, by the path of its inode.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it is a file system")]

use super::{DiskOp, Faults, Trouble, Written};
use fuser::{
    Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// Nothing is remembered for longer than one question.
const TTL: Duration = Duration::ZERO;
/// What the disk says it has: enough for any reserve.
const BLOCKS: u64 = 1 << 24;
const BLOCK_BYTES: u32 = 4_096;

/// Numbers for paths; a file keeps its number when it is renamed.
#[derive(Debug)]
pub(super) struct Inodes {
    paths: Mutex<HashMap<u64, PathBuf>>,
    next: AtomicU64,
}

impl Default for Inodes {
    fn default() -> Self {
        let root = HashMap::from([(INodeNo::ROOT.0, PathBuf::new())]);
        Self { paths: Mutex::new(root), next: AtomicU64::new(INodeNo::ROOT.0 + 1) }
    }
}

impl Inodes {
    /// Inodes with this part in their path.
    pub(super) fn with(&self, part: &str) -> Vec<INodeNo> {
        let paths = self.paths.lock().expect("not poisoned");
        let named = paths.iter().filter(|(_, path)| path.to_string_lossy().contains(part));
        named.map(|(number, _)| INodeNo(*number)).collect()
    }

    fn path(&self, inode: INodeNo) -> Result<PathBuf, Errno> {
        let paths = self.paths.lock().expect("not poisoned");
        paths.get(&inode.0).cloned().ok_or(Errno::ENOENT)
    }

    fn child(&self, parent: INodeNo, name: &OsStr) -> Result<PathBuf, Errno> {
        Ok(self.path(parent)?.join(name))
    }

    fn number(&self, path: &Path) -> INodeNo {
        let mut paths = self.paths.lock().expect("not poisoned");
        let known = paths.iter().find(|(_, known)| *known == path).map(|(number, _)| *number);
        INodeNo(known.unwrap_or_else(|| {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            paths.insert(number, path.to_owned());
            number
        }))
    }

    fn remove(&self, path: &Path) {
        self.paths.lock().expect("not poisoned").retain(|_, known| known != path);
    }

    fn rename(&self, from: &Path, to: &Path) {
        let mut paths = self.paths.lock().expect("not poisoned");
        paths.retain(|_, known| known != to);
        for path in paths.values_mut() {
            if let Ok(rest) = path.strip_prefix(from) {
                *path = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
            }
        }
    }
}

/// A file that is open.
#[derive(Debug)]
struct Open {
    inode: INodeNo,
    file: File,
}

/// What writes since the last sync have replaced: the offset, the bytes, and the length before.
type Replaced = Vec<(u64, Vec<u8>, u64)>;

/// See the module.
#[derive(Debug)]
pub(super) struct Passthrough {
    below: PathBuf,
    faults: Arc<Faults>,
    inodes: Arc<Inodes>,
    open: Mutex<HashMap<u64, Arc<Open>>>,
    next_handle: AtomicU64,
    unsynced: Mutex<HashMap<u64, Replaced>>,
}

impl Passthrough {
    pub(super) fn new(below: PathBuf, faults: Arc<Faults>, inodes: Arc<Inodes>) -> Self {
        let (open, unsynced, next_handle) = Default::default();
        Self { below, faults, inodes, open, next_handle, unsynced }
    }

    fn attributes(&self, path: &Path) -> Result<FileAttr, Errno> {
        let metadata = fs::symlink_metadata(self.below.join(path))?;
        Ok(attributes_of(self.inodes.number(path), &metadata))
    }

    fn add(&self, inode: INodeNo, file: File) -> FileHandle {
        let handle = self.next_handle.fetch_add(1, Ordering::Relaxed);
        let open = Arc::new(Open { inode, file });
        self.open.lock().expect("not poisoned").insert(handle, open);
        FileHandle(handle)
    }

    fn handle(&self, handle: FileHandle) -> Result<Arc<Open>, Errno> {
        let open = self.open.lock().expect("not poisoned");
        open.get(&handle.0).cloned().ok_or(Errno::EBADF)
    }

    /// The name of an open file; that of one that was removed is empty.
    fn name(&self, open: &Open) -> PathBuf {
        self.inodes.path(open.inode).unwrap_or_default()
    }

    fn getattr(&self, inode: INodeNo) -> Result<FileAttr, Errno> {
        match self.inodes.path(inode) {
            Ok(path) => self.attributes(&path),
            // Removed, and still open.
            Err(error) => {
                let open = self.open.lock().expect("not poisoned");
                let open = open.values().find(|open| open.inode == inode).ok_or(error)?;
                Ok(attributes_of(inode, &open.file.metadata()?))
            }
        }
    }

    fn create(
        &self,
        parent: INodeNo,
        name: &OsStr,
        exclusively: bool,
    ) -> Result<(FileAttr, FileHandle), Errno> {
        let path = self.inodes.child(parent, name)?;
        self.faults.error(DiskOp::Create, &path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).create_new(exclusively);
        let file = options.open(self.below.join(&path))?;
        let attributes = self.attributes(&path)?;
        let handle = self.add(attributes.ino, file);
        Ok((attributes, handle))
    }

    fn open(&self, inode: INodeNo, flags: OpenFlags) -> Result<FileHandle, Errno> {
        let path = self.below.join(self.inodes.path(inode)?);
        // The last two bits are 0 for reading alone.
        let writes = flags.0 & 3 != 0;
        let file = OpenOptions::new().read(true).write(writes).open(path)?;
        Ok(self.add(inode, file))
    }

    fn read(&self, handle: FileHandle, offset: u64, size: u32) -> Result<Vec<u8>, Errno> {
        let open = self.handle(handle)?;
        self.faults.error(DiskOp::Read, &self.name(&open))?;
        let mut bytes = vec![0; size as usize];
        let mut filled = 0;
        while filled < bytes.len() {
            match open.file.read_at(&mut bytes[filled..], offset + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn write(&self, handle: FileHandle, offset: u64, data: &[u8]) -> Result<u32, Errno> {
        let open = self.handle(handle)?;
        let data = match self.faults.write(&self.name(&open), data.len()) {
            Written::All => data,
            Written::Part(len) => &data[..len],
            Written::Error(error) => return Err(error),
        };
        let len = open.file.metadata()?.len();
        let mut before = vec![0; data.len().min(len.saturating_sub(offset) as usize)];
        open.file.read_exact_at(&mut before, offset)?;
        let mut unsynced = self.unsynced.lock().expect("not poisoned");
        unsynced.entry(open.inode.0).or_default().push((offset, before, len));
        open.file.write_all_at(data, offset)?;
        Ok(data.len() as u32)
    }

    fn sync(&self, handle: FileHandle) -> Result<(), Errno> {
        let open = self.handle(handle)?;
        let trouble = self.faults.of(DiskOp::Sync, &self.name(&open));
        if matches!(trouble, None | Some(Trouble::Lost)) {
            let mut unsynced = self.unsynced.lock().expect("not poisoned");
            let replaced = unsynced.remove(&open.inode.0).unwrap_or_default();
            if trouble.is_some() {
                for (offset, bytes, len) in replaced.iter().rev() {
                    open.file.write_all_at(bytes, *offset)?;
                    open.file.set_len(*len)?;
                }
            }
        }
        match trouble {
            None => Ok(open.file.sync_data()?),
            Some(Trouble::Full) => Err(Errno::ENOSPC),
            Some(_) => Err(Errno::EIO),
        }
    }

    fn rename(
        &self,
        (parent, name): (INodeNo, &OsStr),
        (new_parent, new_name): (INodeNo, &OsStr),
    ) -> Result<(), Errno> {
        let from = self.inodes.child(parent, name)?;
        let to = self.inodes.child(new_parent, new_name)?;
        self.faults.error(DiskOp::Rename, &to)?;
        fs::rename(self.below.join(&from), self.below.join(&to))?;
        self.inodes.rename(&from, &to);
        Ok(())
    }

    fn remove(&self, parent: INodeNo, name: &OsStr, is_dir: bool) -> Result<(), Errno> {
        let path = self.inodes.child(parent, name)?;
        self.faults.error(DiskOp::Remove, &path)?;
        let below = self.below.join(&path);
        if is_dir {
            fs::remove_dir(below)?
        } else {
            fs::remove_file(below)?
        }
        self.inodes.remove(&path);
        Ok(())
    }

    fn list(&self, inode: INodeNo) -> Result<Vec<(INodeNo, FileType, std::ffi::OsString)>, Errno> {
        let path = self.inodes.path(inode)?;
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.below.join(&path))? {
            let entry = entry?;
            let kind = kind_of(&entry.metadata()?);
            entries.push((
                self.inodes.number(&path.join(entry.file_name())),
                kind,
                entry.file_name(),
            ));
        }
        entries.sort_by(|a, b| a.2.cmp(&b.2));
        Ok(entries)
    }
}

fn kind_of(metadata: &Metadata) -> FileType {
    if metadata.is_dir() { FileType::Directory } else { FileType::RegularFile }
}

fn attributes_of(ino: INodeNo, metadata: &Metadata) -> FileAttr {
    let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    FileAttr {
        ino,
        size: metadata.len(),
        blocks: metadata.blocks(),
        atime: modified,
        mtime: modified,
        ctime: modified,
        crtime: modified,
        kind: kind_of(metadata),
        perm: (metadata.mode() & 0o7777) as u16,
        nlink: metadata.nlink() as u32,
        uid: metadata.uid(),
        gid: metadata.gid(),
        rdev: 0,
        blksize: BLOCK_BYTES,
        flags: 0,
    }
}

/// Answers with what there is, or the error.
macro_rules! answer {
    ($reply:ident, $result:expr, $value:pat => $answer:expr) => {
        match $result {
            Ok($value) => $answer,
            Err(error) => $reply.error(error),
        }
    };
}

impl Filesystem for Passthrough {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.inodes.child(parent, name).and_then(|path| self.attributes(&path));
        answer!(reply, found, attr => reply.entry(&TTL, &attr, Generation(0)));
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        answer!(reply, self.getattr(ino), attr => reply.attr(&TTL, &attr));
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let done = size.map_or(Ok(()), |size| {
            let path = self.below.join(self.inodes.path(ino)?);
            Ok(OpenOptions::new().write(true).open(path)?.set_len(size)?)
        });
        answer!(reply, done.and_then(|()| self.getattr(ino)), attr => reply.attr(&TTL, &attr));
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let made = self.inodes.child(parent, name).and_then(|path| {
            fs::create_dir(self.below.join(&path))?;
            self.attributes(&path)
        });
        answer!(reply, made, attr => reply.entry(&TTL, &attr, Generation(0)));
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer!(reply, self.remove(parent, name, false), () => reply.ok());
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer!(reply, self.remove(parent, name, true), () => reply.ok());
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        answer!(reply, self.rename((parent, name), (newparent, newname)), () => reply.ok());
    }

    fn open(&self, _: &Request, ino: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        answer!(reply, self.open(ino, flags), fh => reply.opened(fh, FopenFlags::empty()));
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        /// As on all systems that this is compiled for.
        const O_EXCL: i32 = 0o200;
        answer!(reply, self.create(parent, name, flags & O_EXCL != 0), (attr, fh) =>
            reply.created(&TTL, &attr, Generation(0), fh, FopenFlags::empty()));
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        answer!(reply, self.read(fh, offset, size), bytes => reply.data(&bytes));
    }

    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        answer!(reply, self.write(fh, offset, data), written => reply.written(written));
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn release(
        &self,
        _: &Request,
        _: INodeNo,
        fh: FileHandle,
        _: OpenFlags,
        _: Option<LockOwner>,
        _: bool,
        reply: ReplyEmpty,
    ) {
        self.open.lock().expect("not poisoned").remove(&fh.0);
        reply.ok();
    }

    fn fsync(&self, _: &Request, _: INodeNo, fh: FileHandle, _: bool, reply: ReplyEmpty) {
        answer!(reply, self.sync(fh), () => reply.ok());
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let path = self.inodes.path(ino);
        let done = path.and_then(|path| self.faults.error(DiskOp::SyncDir, &path));
        answer!(reply, done, () => reply.ok());
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        reply: ReplyDirectory,
    ) {
        let mut reply = reply;
        answer!(reply, self.list(ino), entries => {
            for (place, (ino, kind, name)) in entries.into_iter().enumerate().skip(offset as usize) {
                if reply.add(ino, place as u64 + 1, kind, name) {
                    break;
                }
            }
            reply.ok();
        });
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        reply.statfs(BLOCKS, BLOCKS, BLOCKS, 1 << 20, 1 << 20, BLOCK_BYTES, 255, BLOCK_BYTES);
    }
}
