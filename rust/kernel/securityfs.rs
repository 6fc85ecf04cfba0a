// SPDX-License-Identifier: GPL-2.0

//! SecurityFS abstraction.
//!
//! SecurityFS is the file system below `/sys/kernel/security` through which security modules
//! and the keepers of measurement logs talk to user space.
//!
//! A [`Dir`] is a directory and a [`File`] a file in one: text or binary, and read-only but for the
//! text files that take writes, see [`Writable`]. Both are owning handles: what they stand for is
//! removed from the file system when the handle is dropped. A directory stays for as long as it has
//! something of ours in it, whatever the order in which the handles are dropped.
//!
//! Unlike DebugFS, SecurityFS does not wait for the users of a file when the file is removed. Each
//! open file therefore holds a reference of its own to the data it shows, and no file can be
//! opened after its removal. So the data always outlives the last read and the last write.
//!
//! Without `CONFIG_SECURITYFS` all of this compiles to nothing, and creating directories and files
//! succeeds.
//!
//! C header: [`include/linux/security.h`](srctree/include/linux/security.h)

// Without SecurityFS many parameters are unused.
#![cfg_attr(not(CONFIG_SECURITYFS), allow(unused_variables))]

use crate::{
    fmt,
    fs::file,
    prelude::*,
    str::CStr,
    sync::Arc,
    uaccess::{
        UserSliceReader,
        UserSliceWriter, //
    }, //
};

#[cfg(CONFIG_SECURITYFS)]
mod entry;
#[cfg(CONFIG_SECURITYFS)]
mod file_ops;

#[cfg(CONFIG_SECURITYFS)]
use entry::Entry;

/// The contents of a text file.
#[vtable]
pub trait Text: Send + Sync + 'static {
    /// Writes the text of the file.
    ///
    /// Called for each reading of the file from its start; it may be called more than once for
    /// one reading when the text is long. Errors are not for failures of the source: they end the
    /// text where they occur.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

/// A text file that can also be written.
pub trait Writable: Text {
    /// Takes what is written to the file, all of it: what one `write()` of user space brings.
    ///
    /// The position in the file does not matter. Writes come from as many threads as have the file
    /// open, at the same time; who may write is up to the permission bits of the file, and to
    /// whatever else this function checks.
    ///
    /// # Errors
    ///
    /// An error is that of the write, and then nothing of it should have had an effect.
    fn write(&self, reader: &mut UserSliceReader) -> Result;
}

/// The contents of a binary file.
#[vtable]
pub trait Binary: Send + Sync + 'static {
    /// The present size of the file in bytes: where `SEEK_END` leads.
    fn size(&self) -> u64;

    /// Writes the part of the contents that begins at `offset` and fits into `writer`.
    ///
    /// Returns the number of bytes written and advances `offset` by it; zero is the end of the
    /// file. [`UserSliceWriter::write_slice_file`] does all of this for contents in memory.
    fn read(&self, writer: &mut UserSliceWriter, offset: &mut file::Offset) -> Result<usize>;
}

/// Owning handle to a SecurityFS directory.
///
/// # Examples
///
/// ```
/// # use kernel::prelude::*;
/// use kernel::securityfs::Dir;
///
/// let parent = Dir::new(c"rust_doctest_parent")?;
/// let child = parent.subdir(c"child")?;
///
/// // The directory is kept for its child.
/// drop(parent);
/// # drop(child);
/// # Ok::<(), Error>(())
/// ```
#[derive(Clone)]
pub struct Dir(#[cfg(CONFIG_SECURITYFS)] Arc<Entry>);

impl Dir {
    /// Creates a directory at the root of the file system.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is an entry of this name, `ENOMEM` if there is no memory.
    pub fn new(name: &CStr) -> Result<Self> {
        Self::create(name, None)
    }

    /// Creates a directory within this directory.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is an entry of this name, `ENOMEM` if there is no memory.
    pub fn subdir(&self, name: &CStr) -> Result<Self> {
        Self::create(name, Some(self))
    }

    fn create(name: &CStr, parent: Option<&Self>) -> Result<Self> {
        Ok(Self(
            #[cfg(CONFIG_SECURITYFS)]
            Arc::new(Entry::dir(name, parent.map(|p| p.0.clone()))?, GFP_KERNEL)?,
        ))
    }

    /// Creates a read-only text file in this directory.
    ///
    /// `mode` are the permission bits of the file; only those for reading are used.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is an entry of this name, `ENOMEM` if there is no memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kernel::prelude::*;
    /// use kernel::{fmt, module::ThisModule, securityfs, sync::Arc};
    ///
    /// # struct MyModule;
    /// # impl kernel::ModuleMetadata for MyModule {
    /// #     const NAME: &'static kernel::str::CStr = c"my_module";
    /// #     // SAFETY: Built-in code has no module.
    /// #     const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
    /// # }
    /// struct Answer(u32);
    ///
    /// #[vtable]
    /// impl securityfs::Text for Answer {
    /// #   type OwnerModule = MyModule;
    ///     fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    ///         writeln!(f, "{}", self.0)
    ///     }
    /// }
    ///
    /// let dir = securityfs::Dir::new(c"rust_doctest_text")?;
    /// let file = dir.text_file(c"answer", 0o444, Arc::new(Answer(42), GFP_KERNEL)?)?;
    /// // "rust_doctest_text/answer" now reads "42".
    /// # drop(file);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn text_file<T: Text>(&self, name: &CStr, mode: u16, data: Arc<T>) -> Result<File<T>> {
        Ok(File {
            #[cfg(CONFIG_SECURITYFS)]
            // SAFETY: `File` holds `data` and drops the entry before it.
            _entry: unsafe {
                Entry::file(name, mode, self.0.clone(), &data, file_ops::text::<T>())
            }?,
            data,
        })
    }

    /// Creates a text file in this directory that can be written.
    ///
    /// `mode` are the permission bits of the file; those for execution are not used.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is an entry of this name, `ENOMEM` if there is no memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # use kernel::prelude::*;
    /// use kernel::{
    ///     fmt,
    ///     module::ThisModule,
    ///     securityfs,
    ///     sync::{atomic::{Atomic, Relaxed}, Arc},
    ///     uaccess::UserSliceReader,
    /// };
    ///
    /// # struct MyModule;
    /// # impl kernel::ModuleMetadata for MyModule {
    /// #     const NAME: &'static kernel::str::CStr = c"my_module";
    /// #     // SAFETY: Built-in code has no module.
    /// #     const THIS_MODULE: ThisModule = unsafe { ThisModule::from_ptr(core::ptr::null_mut()) };
    /// # }
    /// /// A number from 0 to 9.
    /// struct Digit(Atomic<u32>);
    ///
    /// #[vtable]
    /// impl securityfs::Text for Digit {
    /// #   type OwnerModule = MyModule;
    ///     fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    ///         writeln!(f, "{}", self.0.load(Relaxed))
    ///     }
    /// }
    ///
    /// impl securityfs::Writable for Digit {
    ///     fn write(&self, reader: &mut UserSliceReader) -> Result {
    ///         let digit: u8 = reader.read()?;
    ///         // What may follow is the end of the line.
    ///         if !digit.is_ascii_digit() || reader.len() > 1 {
    ///             return Err(EINVAL);
    ///         }
    ///         self.0.store(u32::from(digit - b'0'), Relaxed);
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let dir = securityfs::Dir::new(c"rust_doctest_writable")?;
    /// let digit = Arc::new(Digit(Atomic::new(4)), GFP_KERNEL)?;
    /// let file = dir.writable_file(c"digit", 0o600, digit)?;
    /// // "rust_doctest_writable/digit" reads "4" until root writes another digit.
    /// # drop(file);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn writable_file<T: Writable>(
        &self,
        name: &CStr,
        mode: u16,
        data: Arc<T>,
    ) -> Result<File<T>> {
        Ok(File {
            #[cfg(CONFIG_SECURITYFS)]
            // SAFETY: `File` holds `data` and drops the entry before it.
            _entry: unsafe {
                Entry::file(name, mode, self.0.clone(), &data, file_ops::writable::<T>())
            }?,
            data,
        })
    }

    /// Creates a read-only binary file in this directory.
    ///
    /// `mode` are the permission bits of the file; only those for reading are used.
    ///
    /// # Errors
    ///
    /// `EEXIST` if there is an entry of this name, `ENOMEM` if there is no memory.
    pub fn binary_file<T: Binary>(&self, name: &CStr, mode: u16, data: Arc<T>) -> Result<File<T>> {
        Ok(File {
            #[cfg(CONFIG_SECURITYFS)]
            // SAFETY: `File` holds `data` and drops the entry before it.
            _entry: unsafe {
                Entry::file(name, mode, self.0.clone(), &data, file_ops::binary::<T>())
            }?,
            data,
        })
    }
}

/// Owning handle to a SecurityFS file.
///
/// The file is removed when the handle is dropped. Whoever has it open then can still read it.
pub struct File<T> {
    // The order counts for dropping: the file goes before the reference to its data.
    #[cfg(CONFIG_SECURITYFS)]
    _entry: Entry,
    data: Arc<T>,
}

impl<T> File<T> {
    /// The data that the file shows.
    pub fn data(&self) -> &Arc<T> {
        &self.data
    }
}

#[cfg(all(CONFIG_RUST_SECURITYFS_KUNIT_TEST, CONFIG_KUNIT = "y"))]
impl<T> File<T> {
    /// The permission bits that the file has.
    fn mode(&self) -> u16 {
        #[cfg(CONFIG_SECURITYFS)]
        return self._entry.mode();
        #[cfg(not(CONFIG_SECURITYFS))]
        return 0;
    }
}

#[cfg(CONFIG_RUST_SECURITYFS_KUNIT_TEST)]
#[macros::kunit_tests(rust_kernel_securityfs)]
mod tests {
    use super::*;

    struct Words(&'static [u8]);

    #[vtable]
    impl Text for Words {
        fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            writeln!(f, "{}", self.0.len())
        }
    }

    #[vtable]
    impl Binary for Words {
        fn size(&self) -> u64 {
            u64::try_from(self.0.len()).unwrap_or(0)
        }

        fn read(&self, writer: &mut UserSliceWriter, offset: &mut file::Offset) -> Result<usize> {
            writer.write_slice_file(self.0, offset)
        }
    }

    /// Takes as many bytes as it has.
    impl Writable for Words {
        fn write(&self, reader: &mut UserSliceReader) -> Result {
            let mut buffer = [0; 8];
            let wanted = buffer.get_mut(..self.0.len()).ok_or(EINVAL)?;
            if reader.len() != wanted.len() {
                return Err(EINVAL);
            }
            reader.read_slice(wanted)
        }
    }

    #[test]
    fn permissions_are_those_that_the_file_has_a_use_for() -> Result {
        let dir = Dir::new(c"rust_kunit_modes")?;
        let data = Arc::new(Words(b"one"), GFP_KERNEL)?;
        let text = dir.text_file(c"text", 0o777, data.clone())?;
        let binary = dir.binary_file(c"binary", 0o640, data.clone())?;
        let writable = dir.writable_file(c"writable", 0o600, data.clone())?;
        let all = dir.writable_file(c"all", 0o777, data)?;
        if cfg!(CONFIG_SECURITYFS) {
            assert_eq!(text.mode(), 0o444);
            assert_eq!(binary.mode(), 0o440);
            assert_eq!(writable.mode(), 0o600);
            assert_eq!(all.mode(), 0o666);
        }
        Ok(())
    }

    #[test]
    fn a_write_has_the_result_of_its_function() -> Result {
        use crate::uaccess::UserSlice;

        if cfg!(CONFIG_SECURITYFS) {
            // Nothing that could be read is there.
            let slice = |size| UserSlice::new(UserPtr::from_addr(0), size);
            let words = Words(b"one");
            assert_eq!(file_ops::take(&words, slice(2)), Err(EINVAL));
            assert_eq!(file_ops::take(&words, slice(3)), Err(EFAULT));
            assert_eq!(file_ops::take(&Words(b""), slice(0)), Ok(0));
        }
        Ok(())
    }

    #[test]
    fn names_are_free_again_after_drop() -> Result {
        for _ in 0..2 {
            let dir = Dir::new(c"rust_kunit_again")?;
            let data = Arc::new(Words(b"one"), GFP_KERNEL)?;
            let text = dir.text_file(c"file", 0o444, data.clone())?;
            if cfg!(CONFIG_SECURITYFS) {
                assert!(dir.binary_file(c"file", 0o440, data.clone()).is_err());
            }
            drop(text);
            let binary = dir.binary_file(c"file", 0o440, data)?;
            assert_eq!(binary.data().size(), 3);
        }
        Ok(())
    }

    #[test]
    fn a_child_keeps_its_parent() -> Result {
        let parent = Dir::new(c"rust_kunit_parent")?;
        let child = parent.subdir(c"child")?;
        let file = child.text_file(c"file", 0o444, Arc::new(Words(b""), GFP_KERNEL)?)?;
        drop(parent);
        drop(child);
        if cfg!(CONFIG_SECURITYFS) {
            assert!(Dir::new(c"rust_kunit_parent").is_err());
        }
        drop(file);
        drop(Dir::new(c"rust_kunit_parent")?);
        Ok(())
    }
}
