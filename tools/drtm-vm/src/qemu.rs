// SPDX-License-Identifier: GPL-2.0
//! The QEMU process and its sockets.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::acpi;
use crate::config::{Config, Firmware};
use crate::console::Port;
use crate::disk;
use crate::error::{Blame, Error, Result, Side};
use crate::gdb::Gdb;
use crate::process::Process;
use crate::qmp::Qmp;
use crate::qtest::Qtest;
use crate::tpm::{crb, TpmInterface};
use crate::wait::{connect, Deadline};

/// Name of the QEMU program.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// Time allowed for QEMU to open its sockets.
const START: Duration = Duration::from_secs(30);

/// PCI device and function of the window that is the TPM's registers with the model's CRB.
pub const CRB_FUNCTION: (u32, u32) = (0x1e, 1);

/// Where guest memory lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ram {
    /// In QEMU.
    Private,
    /// In this file, which the guest's writes change.
    Shared(PathBuf),
    /// A private view of this file: the guest's writes do not reach it.
    CopyOf(PathBuf),
}

/// A started QEMU, stopped before its first instruction.
#[derive(Debug)]
pub struct Qemu {
    /// The process.
    pub process: Process,
    /// Machine control.
    pub qmp: Qmp,
    /// Physical memory, MMIO and ports.
    pub qtest: Qtest,
    /// CPU state, breakpoints.
    pub gdb: Gdb,
    /// First serial port: the console.
    pub console: Port,
    /// Second serial port: files for the host.
    pub files: Port,
}

/// Paths of one machine.
#[derive(Debug, Clone)]
pub struct Places<'a> {
    /// Directory of sockets and private copies.
    pub dir: &'a Path,
    /// Control socket of the TPM proxy, if QEMU has the TPM's registers.
    pub tpm: Option<&'a Path>,
    /// The registers of the model's own TPM.
    pub crb: Option<&'a Path>,
    /// Guest memory.
    pub ram: Ram,
    /// Variable store image already in `dir`, if any.
    pub vars: Option<&'a Path>,
    /// Wait for an incoming machine state instead of starting at reset.
    pub incoming: bool,
}

/// Path of the interrupt trace of the machine in `dir`.
pub fn trace_path(dir: &Path) -> PathBuf {
    dir.join("trace.log")
}

fn socket(command: &mut Command, id: &str, path: &Path) {
    command.arg("-chardev").arg(format!(
        "socket,id={id},path={},server=on,wait=off",
        path.display()
    ));
}

impl Qemu {
    /// Starts QEMU for `config`.
    pub fn start(config: &Config, places: &Places<'_>) -> Result<Self> {
        let dir = places.dir;
        let mut command = Command::new(PROGRAM);
        machine_arguments(&mut command, config, places)?;
        for (id, option) in [("ser0", "-serial"), ("ser1", "-serial"), ("gdb0", "-gdb")] {
            socket(&mut command, id, &dir.join(id));
            command.arg(option).arg(format!("chardev:{id}"));
        }
        for (option, name) in [("-qmp", "qmp"), ("-qtest", "qtest")] {
            let path = dir.join(name);
            command
                .arg(option)
                .arg(format!("unix:{},server=on,wait=off", path.display()));
        }
        command.args(["-qtest-log", "/dev/null"]);
        command.args(["-trace", "apic_register_write", "-D"]);
        command.arg(trace_path(dir));
        let mut process = Process::spawn(command, Side::Qemu, "QEMU", &dir.join("qemu.log"))?;
        let deadline = Deadline::after(START);
        let mut open = |name: &str| {
            let path = dir.join(name);
            // A QEMU that dies at once must not cost the whole waiting time.
            while !path.exists() && process.exited().is_none() && !deadline.over() {
                std::thread::sleep(Duration::from_millis(5));
            }
            if process.exited().is_some() {
                return Err(process.failure("QEMU does not start"));
            }
            connect(&path, Side::Qemu, deadline)
        };
        let log = config.out.as_ref().map(|out| out.join("serial.log"));
        let console = Port::new(open("ser0")?, log.as_deref(), config.echo)?;
        let files = Port::new(open("ser1")?, None, false)?;
        let qmp = Qmp::new(open("qmp")?)?;
        let qtest = Qtest::new(open("qtest")?)?;
        let gdb = Gdb::new(open("gdb0")?)?;
        Ok(Qemu {
            process,
            qmp,
            qtest,
            gdb,
            console,
            files,
        })
    }
}

fn machine_arguments(command: &mut Command, config: &Config, places: &Places<'_>) -> Result<()> {
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-S"]);
    let smm = match config.firmware.has_smm() {
        true => "on",
        false => "off",
    };
    command.arg("-machine");
    command.arg(format!("q35,smm={smm},memory-backend=ram"));
    match config.icount {
        None if config.parallel => command.args(["-accel", "tcg,thread=multi"]),
        None => command.args(["-accel", "tcg,thread=single"]),
        Some(shift) => {
            command.args(["-accel", "tcg,thread=single", "-icount"]);
            // With sleep=off QEMU would skip to the next timer at every stop of the debugger.
            command.arg(format!("shift={shift},sleep=on"))
        }
    };
    command.args(["-cpu", &config.cpu]);
    command.args(["-smp", &config.cpus.to_string()]);
    command.args(["-m", &config.memory_mib.to_string()]);
    let size = config.memory_mib;
    command.arg("-object").arg(match &places.ram {
        Ram::Private => format!("memory-backend-ram,id=ram,size={size}M"),
        Ram::Shared(path) => format!(
            "memory-backend-file,id=ram,size={size}M,share=on,mem-path={}",
            path.display()
        ),
        Ram::CopyOf(path) => format!(
            "memory-backend-file,id=ram,size={size}M,share=off,mem-path={}",
            path.display()
        ),
    });
    // A guest reset or power-off leaves the machine paused with its memory readable.
    command.args(["-action", "reboot=shutdown,shutdown=pause,panic=pause"]);
    // Gives the firmware a random number generator, and with it physical KASLR its entropy.
    command.args(["-object", "rng-builtin,id=rng"]);
    command.args(["-device", "virtio-rng-pci,rng=rng"]);
    if let Firmware::Ovmf { code, vars, smm } = &config.firmware {
        let copy = match places.vars {
            Some(path) => path.to_owned(),
            None => {
                let copy = places.dir.join("vars.fd");
                std::fs::copy(vars, &copy).blame(Side::Host, vars.display())?;
                copy
            }
        };
        if !code.exists() {
            return Err(Error::new(
                Side::Host,
                format!("no firmware at {} (package ovmf)", code.display()),
            ));
        }
        command.arg("-drive").arg(format!(
            "if=pflash,unit=0,format=raw,readonly=on,file={}",
            code.display()
        ));
        command.arg("-drive").arg(format!(
            "if=pflash,unit=1,format=raw,file={}",
            copy.display()
        ));
        if *smm {
            // Nobody else writes to the variables, and nothing is kept across a sleep in which memory is on.
            command.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
            command.args(["-global", "ICH9-LPC.disable_s3=1"]);
        }
    }
    tpm_arguments(command, config, places)?;
    boot_arguments(command, config, places)?;
    if places.incoming {
        command.args(["-incoming", "defer"]);
    }
    command.args(&config.extra);
    Ok(())
}

fn boot_arguments(command: &mut Command, config: &Config, places: &Places<'_>) -> Result<()> {
    if let Some(loader) = &config.loader {
        let path = places.dir.join("boot.img");
        disk::write(config, loader, &path)?;
        command.arg("-drive").arg(format!(
            "if=none,id=boot,format=raw,readonly=on,file={}",
            path.display()
        ));
        command.args(["-device", "virtio-blk-pci,drive=boot,bootindex=0"]);
        return Ok(());
    }
    command.arg("-kernel").arg(&config.kernel);
    if let Some(initrd) = &config.initrd {
        command.arg("-initrd").arg(initrd);
    }
    if !config.append.is_empty() {
        command.arg("-append").arg(&config.append);
    }
    Ok(())
}

/// The arguments for a window of `size` bytes with what is in `file`, which [`Machine::map_hidden`] maps, as this
/// function of this PCI device.
///
/// The slot must have no function 0: nobody who enumerates the bus finds it then. As a master it does not stand in
/// the way of a snapshot.
///
/// [`Machine::map_hidden`]: crate::Machine::map_hidden
pub fn hidden(id: &str, size: u64, file: &Path, (device, function): (u32, u32)) -> [String; 4] {
    let file = file.display();
    [
        "-object".into(),
        format!("memory-backend-file,id={id},size={size:#x},share=on,mem-path={file}"),
        "-device".into(),
        format!("ivshmem-plain,memdev={id},master=on,addr={device:x}.{function}"),
    ]
}

fn tpm_arguments(command: &mut Command, config: &Config, places: &Places<'_>) -> Result<()> {
    if let Some(tpm) = places.tpm {
        socket_client(command, "tpmctrl", tpm);
        command.args(["-tpmdev", "emulator,id=tpm0,chardev=tpmctrl"]);
        let device = match config.tpm_interface {
            TpmInterface::Tis => "tpm-tis",
            TpmInterface::Crb | TpmInterface::QemuCrb => "tpm-crb",
        };
        command.args(["-device", &format!("{device},tpmdev=tpm0")]);
    }
    if let Some(window) = places.crb {
        command.args(hidden("crb", crb::SIZE as u64, window, CRB_FUNCTION));
        let base = crb::registers::BASE;
        let control = u64::from(base) + crb::registers::CTRL_REQ as u64;
        let size = (crb::registers::LOCALITIES * crb::registers::PAGE) as u32;
        for (name, table) in [
            ("tpm2.aml", acpi::tpm2(control)),
            ("tpm-ssdt.aml", acpi::tpm_device(base, size)),
        ] {
            let path = places.dir.join(name);
            std::fs::write(&path, table).blame(Side::Host, path.display())?;
            command.arg("-acpitable");
            command.arg(format!("file={}", path.display()));
        }
    }
    Ok(())
}

fn socket_client(command: &mut Command, id: &str, path: &Path) {
    command
        .arg("-chardev")
        .arg(format!("socket,id={id},path={}", path.display()));
}
