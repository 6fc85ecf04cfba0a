// SPDX-License-Identifier: GPL-2.0

//! The entries of SecurityFS: what directories and files have in common.

use crate::{
    error::from_err_ptr,
    prelude::*,
    str::CStr,
    sync::Arc, //
};

use super::file_ops::FileOps;

/// An entry of SecurityFS; removed on drop.
///
/// # Invariants
///
/// `dentry` was made by `securityfs_create_dir()` or `securityfs_create_file()` and has not been
/// removed: only dropping this entry removes it, since `_parent` keeps the directory it is in.
pub(super) struct Entry {
    dentry: *mut bindings::dentry,
    _parent: Option<Arc<Entry>>,
}

// SAFETY: The functions of SecurityFS may be called from any thread.
unsafe impl Send for Entry {}

// SAFETY: A shared entry only gives its pointer to functions of SecurityFS, which lock.
unsafe impl Sync for Entry {}

impl Entry {
    /// Creates a directory in `parent`, or at the root.
    pub(super) fn dir(name: &CStr, parent: Option<Arc<Entry>>) -> Result<Self> {
        let parent_ptr = parent
            .as_ref()
            .map_or(core::ptr::null_mut(), |entry| entry.dentry);
        // SAFETY:
        // - `name` is a C string.
        // - `parent_ptr` is NULL, which stands for the root, or a live directory by the type
        //   invariant.
        let dentry = from_err_ptr(unsafe {
            bindings::securityfs_create_dir(name.as_char_ptr(), parent_ptr)
        })?;

        // INVARIANT: Just created, and not removed by anybody else.
        Ok(Self {
            dentry,
            _parent: parent,
        })
    }

    /// Creates a file in the directory `parent`.
    ///
    /// # Safety
    ///
    /// `data` must not be released before the returned entry is dropped.
    pub(super) unsafe fn file<T>(
        name: &CStr,
        mode: u16,
        parent: Arc<Entry>,
        data: &Arc<T>,
        ops: &'static FileOps<T>,
    ) -> Result<Self> {
        // SAFETY:
        // - `name` is a C string, and `parent` a live directory by the type invariant.
        // - The operations of `FileOps<T>` take the private data of the inode for what
        //   `Arc::as_ptr()` returned for a live `Arc<T>`, and use it only as long as the file is
        //   not removed. The caller keeps the data for that long.
        let dentry = from_err_ptr(unsafe {
            bindings::securityfs_create_file(
                name.as_char_ptr(),
                mode & ops.allowed(),
                parent.dentry,
                Arc::as_ptr(data).cast_mut().cast(),
                ops.as_ptr(),
            )
        })?;

        // INVARIANT: Just created, and not removed by anybody else.
        Ok(Self {
            dentry,
            _parent: Some(parent),
        })
    }
}

#[cfg(all(CONFIG_RUST_SECURITYFS_KUNIT_TEST, CONFIG_KUNIT = "y"))]
impl Entry {
    /// The permission bits.
    pub(super) fn mode(&self) -> u16 {
        // SAFETY: The entry has not been removed by the type invariant, so its dentry has an inode.
        unsafe { (*(*self.dentry).d_inode).i_mode & 0o7777 }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: The entry has not been removed yet by the type invariant.
        unsafe { bindings::securityfs_remove(self.dentry) }
    }
}
