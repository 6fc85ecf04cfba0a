// SPDX-License-Identifier: GPL-2.0

//! The file operations behind SecurityFS files.
//!
//! The inode of a file points to the data without owning it. Opening the file takes a reference
//! to the data, releasing it gives the reference back.

use crate::{
    fmt,
    module::this_module,
    prelude::*,
    seq_file::SeqFile,
    seq_print,
    sync::Arc,
    uaccess::UserSlice, //
};

use core::{
    marker::PhantomData,
    mem::ManuallyDrop, //
};

use super::{
    Binary,
    Text,
    Writable, //
};

/// The permission bits for reading.
const READ: u16 = 0o444;

/// The permission bits for writing.
const WRITE: u16 = 0o222;

/// File operations for files that show a `T`.
///
/// # Invariants
///
/// The operations suit a file whose inode's private data is the result of [`Arc::as_ptr`] of an
/// `Arc<T>` that is not released before the file is removed.
pub(super) struct FileOps<T> {
    operations: bindings::file_operations,
    allowed: u16,
    _phantom: PhantomData<T>,
}

impl<T> FileOps<T> {
    pub(super) fn as_ptr(&self) -> *const bindings::file_operations {
        &self.operations
    }

    /// The permission bits that make sense for the file.
    pub(super) fn allowed(&self) -> u16 {
        self.allowed
    }
}

/// The operations of a text file.
pub(super) fn text<T: Text>() -> &'static FileOps<T> {
    struct Of<T>(PhantomData<T>);
    impl<T: Text> Of<T> {
        // INVARIANT: `text_open` has the same requirement, and all the others rely on it.
        const OPS: FileOps<T> = FileOps {
            operations: bindings::file_operations {
                owner: this_module::<T::OwnerModule>().as_ptr(),
                open: Some(text_open::<T>),
                read: Some(bindings::seq_read),
                llseek: Some(bindings::seq_lseek),
                release: Some(text_release::<T>),
                ..pin_init::zeroed()
            },
            allowed: READ,
            _phantom: PhantomData,
        };
    }
    &Of::<T>::OPS
}

/// The operations of a text file that can be written.
pub(super) fn writable<T: Writable>() -> &'static FileOps<T> {
    struct Of<T>(PhantomData<T>);
    impl<T: Writable> Of<T> {
        // INVARIANT: As those of a text file; `text_write` needs no more.
        const OPS: FileOps<T> = FileOps {
            operations: bindings::file_operations {
                owner: this_module::<T::OwnerModule>().as_ptr(),
                open: Some(text_open::<T>),
                read: Some(bindings::seq_read),
                write: Some(text_write::<T>),
                llseek: Some(bindings::seq_lseek),
                release: Some(text_release::<T>),
                ..pin_init::zeroed()
            },
            allowed: READ | WRITE,
            _phantom: PhantomData,
        };
    }
    &Of::<T>::OPS
}

/// The operations of a binary file.
pub(super) fn binary<T: Binary>() -> &'static FileOps<T> {
    struct Of<T>(PhantomData<T>);
    impl<T: Binary> Of<T> {
        // INVARIANT: `binary_open` has the same requirement, and all the others rely on it.
        const OPS: FileOps<T> = FileOps {
            operations: bindings::file_operations {
                owner: this_module::<T::OwnerModule>().as_ptr(),
                open: Some(binary_open::<T>),
                read: Some(binary_read::<T>),
                llseek: Some(binary_llseek::<T>),
                release: Some(binary_release::<T>),
                ..pin_init::zeroed()
            },
            allowed: READ,
            _phantom: PhantomData,
        };
    }
    &Of::<T>::OPS
}

/// Takes a reference to the data of a file that is being opened.
///
/// Returns [`None`] if the file has been removed.
///
/// # Safety
///
/// `inode` must be that of a file as the invariant of [`FileOps<T>`] describes it.
unsafe fn data_of<T>(inode: *mut bindings::inode) -> Option<Arc<T>> {
    // SAFETY: The inode lives as long as the call.
    unsafe { bindings::inode_lock(inode) };
    // SAFETY: The inode is valid. Removing the file clears its number of links under this lock.
    let removed = unsafe { (*inode).__bindgen_anon_1.i_nlink } == 0;
    let data = if removed {
        None
    } else {
        // SAFETY: The inode is valid, and its private data is never changed.
        let ptr = unsafe { (*inode).i_private }.cast::<T>();
        // SAFETY: By the requirement of this function, `ptr` came from an `Arc`. That `Arc` still
        // exists: the file would be removed before it, and the removal waits for the lock.
        // `ManuallyDrop` leaves the reference to its owner.
        let owner = ManuallyDrop::new(unsafe { Arc::<T>::from_raw(ptr) });
        Some(Arc::clone(&owner))
    };
    // SAFETY: Locked above.
    unsafe { bindings::inode_unlock(inode) };
    data
}

struct Shown<'a, T>(&'a T);

impl<T: Text> fmt::Display for Shown<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(f)
    }
}

/// # Safety
///
/// `inode` must be that of a file as the invariant of [`FileOps<T>`] describes it, and `file` be
/// the file that is being opened for it.
unsafe extern "C" fn text_open<T: Text>(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: By the requirement of this function.
    let Some(data) = (unsafe { data_of::<T>(inode) }) else {
        return ENODEV.to_errno();
    };
    let ptr = Arc::into_raw(data);
    // SAFETY: `file` is being opened, and `text_show` gets what it requires: a pointer to a `T`
    // that lives until `text_release`.
    let ret = unsafe { bindings::single_open(file, Some(text_show::<T>), ptr.cast_mut().cast()) };
    if ret != 0 {
        // SAFETY: `ptr` came from `into_raw` above, and nobody else has got it.
        drop(unsafe { Arc::from_raw(ptr) });
    }
    ret
}

/// # Safety
///
/// `seq` must be a valid `seq_file` whose private data points to a `T` for the time of the call.
unsafe extern "C" fn text_show<T: Text>(seq: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    // SAFETY: By the requirement of this function.
    let data = unsafe { &*(*seq).private.cast::<T>() };
    // SAFETY: `seq` is valid, and locked for this call.
    let seq = unsafe { SeqFile::from_raw(seq) };
    seq_print!(seq, "{}", Shown(data));
    0
}

/// Hands what is written to `data`. Returns the number of bytes written, which is all of them.
pub(super) fn take<T: Writable>(data: &T, written: UserSlice) -> Result<isize> {
    let mut reader = written.reader();
    let size = isize::try_from(reader.len())?;
    data.write(&mut reader)?;
    Ok(size)
}

/// # Safety
///
/// `file` must have been opened by `text_open::<T>`, and `buf` be the caller's buffer of `count`
/// bytes.
unsafe extern "C" fn text_write<T: Writable>(
    file: *mut bindings::file,
    buf: *const c_char,
    count: usize,
    _ppos: *mut bindings::loff_t,
) -> isize {
    // SAFETY: `single_open` has put a `seq_file` there, which is valid until `text_release`.
    let seq = unsafe { (*file).private_data }.cast::<bindings::seq_file>();
    // SAFETY: `text_open` has put a pointer there that lives until `text_release`.
    let data = unsafe { &*(*seq).private.cast::<T>() };
    let written = UserSlice::new(UserPtr::from_ptr(buf.cast_mut().cast()), count);

    match take(data, written) {
        Ok(n) => n,
        // CAST: `isize` holds every `c_int` on the kernel's architectures.
        Err(e) => e.to_errno() as isize,
    }
}

/// # Safety
///
/// `file` must have been opened by `text_open::<T>`.
unsafe extern "C" fn text_release<T: Text>(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: `single_open` has put a `seq_file` there.
    let seq = unsafe { (*file).private_data }.cast::<bindings::seq_file>();
    // SAFETY: The `seq_file` is valid until it is released below.
    let ptr = unsafe { (*seq).private }.cast_const().cast::<T>();
    // SAFETY: The file was opened by `single_open`.
    let ret = unsafe { bindings::single_release(inode, file) };
    // SAFETY: `ptr` came from `into_raw` in `text_open`, and its last user has gone.
    drop(unsafe { Arc::from_raw(ptr) });
    ret
}

/// # Safety
///
/// `inode` must be that of a file as the invariant of [`FileOps<T>`] describes it, and `file` be
/// the file that is being opened for it.
unsafe extern "C" fn binary_open<T: Binary>(
    inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: By the requirement of this function.
    let Some(data) = (unsafe { data_of::<T>(inode) }) else {
        return ENODEV.to_errno();
    };
    // SAFETY: `file` is being opened; its private data is ours.
    unsafe { (*file).private_data = Arc::into_raw(data).cast_mut().cast() };
    0
}

/// # Safety
///
/// `file` must have been opened by `binary_open::<T>`, `buf` be the caller's buffer of `count`
/// bytes and `ppos` a valid pointer to the position.
unsafe extern "C" fn binary_read<T: Binary>(
    file: *mut bindings::file,
    buf: *mut c_char,
    count: usize,
    ppos: *mut bindings::loff_t,
) -> isize {
    // SAFETY: `binary_open` has put a pointer there that lives until `binary_release`.
    let data = unsafe { &*(*file).private_data.cast::<T>() };
    // SAFETY: The pointer is valid, and nobody else uses it during the call.
    let pos = unsafe { &mut *ppos };
    let mut writer = UserSlice::new(UserPtr::from_ptr(buf.cast()), count).writer();

    match data
        .read(&mut writer, pos)
        .and_then(|n| Ok(isize::try_from(n)?))
    {
        Ok(n) => n,
        // CAST: `isize` holds every `c_int` on the kernel's architectures.
        Err(e) => e.to_errno() as isize,
    }
}

/// # Safety
///
/// `file` must have been opened by `binary_open::<T>`.
unsafe extern "C" fn binary_llseek<T: Binary>(
    file: *mut bindings::file,
    offset: bindings::loff_t,
    whence: c_int,
) -> bindings::loff_t {
    // SAFETY: `binary_open` has put a pointer there that lives until `binary_release`.
    let data = unsafe { &*(*file).private_data.cast::<T>() };
    let size = bindings::loff_t::try_from(data.size()).unwrap_or(bindings::loff_t::MAX);
    // SAFETY: `file` is an open file.
    unsafe { bindings::fixed_size_llseek(file, offset, whence, size) }
}

/// # Safety
///
/// `file` must have been opened by `binary_open::<T>`.
unsafe extern "C" fn binary_release<T: Binary>(
    _inode: *mut bindings::inode,
    file: *mut bindings::file,
) -> c_int {
    // SAFETY: `file` is valid during the call.
    let ptr = unsafe { (*file).private_data }.cast_const().cast::<T>();
    // SAFETY: `ptr` came from `into_raw` in `binary_open`, and its last user has gone.
    drop(unsafe { Arc::from_raw(ptr) });
    0
}
