//! Which file systems tell in time that a file has changed.
//!
//! *Invariant:* the answer is yes only for kinds that are known to: all changes go through this kernel, which stamps them
//! before it makes them, so a look at the stamp is enough (see [`stamp`](super::stamp)). A kind that isn't on the list is
//! served as well, but read anew for every request.
//!
//! Not on the list, on purpose: NFS, SMB, Ceph, 9p and their like, and everything in user space (FUSE, virtiofs), where
//! others change files and this kernel believes for a while what it knew before; FAT and exFAT, whose stamps are coarser
//! than [`SETTLE_TIME`](crate::config::SETTLE_TIME); and `proc` and `sys`, whose files change without any stamp.
//!
//! An overlay passes the stamps of its layers on. It is on the list because containers run on it, although somebody
//! could lay one over NFS: the kernel's documentation forbids changing a layer in use.

use std::os::fd::AsFd;

use rustix::fs;

/// The kinds by the number that `statfs` tells (statfs(2), and the sources of those that aren't in the kernel's tree).
const STAMPING: [u64; 12] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // btrfs
    0xCA45_1A4E, // bcachefs
    0xF2F5_2010, // F2FS
    0x2FC1_2FC1, // ZFS
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    0x794C_7630, // overlayfs
    0x7371_7368, // squashfs
    0xE0F5_E1E2, // EROFS
    0x9660,      // ISO 9660
];

/// Whether an open file or directory lies on such a file system. If that can't be told, it doesn't.
pub fn stamps_in_time(opened: impl AsFd) -> bool {
    let kind = fs::fstatfs(opened).ok().and_then(|found| u64::try_from(found.f_type).ok());
    kind.is_some_and(|kind| STAMPING.contains(&kind))
}
