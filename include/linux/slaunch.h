/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Secure Launch: what C code calls. Each hook is one call, and nothing at all
 * without CONFIG_SECURE_LAUNCH.
 */
#ifndef _LINUX_SLAUNCH_H
#define _LINUX_SLAUNCH_H

#include <linux/efi.h>
#include <linux/jump_label.h>
#include <linux/types.h>
#include <uapi/linux/slaunch.h>

/*
 * EFI configuration table with a struct slaunch_status, in ACPI reclaim memory.
 * The EFI stub installs it only when a launch was asked for and is not possible.
 */
#define LINUX_EFI_SLAUNCH_STATUS_TABLE_GUID \
	EFI_GUID(0xc11ffa33, 0xce8f, 0x411d, 0x99, 0x87, 0x9b, 0x01, 0x81, 0x3b, 0x04, 0x09)

struct boot_params;
struct linux_binprm;
struct pt_regs;
struct task_struct;

#ifdef CONFIG_SECURE_LAUNCH

/* EFI stub; arch/x86/slaunch/stub. */
void slaunch_parse_option(const char *value);
efi_status_t slaunch_prepare(const efi_system_table_t *systab, bool native);
efi_status_t slaunch_place_kernel(unsigned long size, unsigned long align,
				  unsigned long seed, unsigned long base,
				  unsigned long *addr, unsigned long *virt_addr);
efi_status_t slaunch_ready(const struct boot_params *bp);
void slaunch_launch(const struct boot_params *bp);

#else

static inline void slaunch_parse_option(const char *value) { }

static inline efi_status_t slaunch_prepare(const efi_system_table_t *systab,
					   bool native)
{
	return EFI_SUCCESS;
}

static inline efi_status_t
slaunch_place_kernel(unsigned long size, unsigned long align,
		     unsigned long seed, unsigned long base,
		     unsigned long *addr, unsigned long *virt_addr)
{
	return EFI_NOT_READY;
}

static inline efi_status_t slaunch_ready(const struct boot_params *bp)
{
	return EFI_SUCCESS;
}

static inline void slaunch_launch(const struct boot_params *bp) { }

#endif /* CONFIG_SECURE_LAUNCH */

/* fs/exec.c */
int exec_mmap(struct linux_binprm *bprm);

/* The kernel proper; arch/x86/slaunch/late. */
#ifdef CONFIG_SECURE_LAUNCH

extern unsigned long slaunch_status_table;

void slaunch_reserve_memory(void);
void slaunch_cpu_start(unsigned int cpu);
bool slaunch_init_allowed(unsigned int cpu);

/* The gate around EFI runtime services; arch/x86/slaunch/efi. */
DECLARE_STATIC_KEY_FALSE(slaunch_efi_gate);

extern struct task_struct *slaunch_efi_task;

bool slaunch_efi_off(void);
bool slaunch_efi_stopped(void);
bool __slaunch_efi_enter(void);
bool __slaunch_efi_apart(void);
void __slaunch_efi_leave(void);
bool __slaunch_efi_trap(struct pt_regs *regs);
bool __slaunch_efi_fault(struct pt_regs *regs, int vector, unsigned long address);
void __slaunch_text_poked(const void *addr, size_t len);

/*
 * There was a launch. Firmware may refuse to reset the machine, and a restart in
 * real mode is no way back then.
 */
static inline bool slaunch_efi_gated(void)
{
	return static_branch_unlikely(&slaunch_efi_gate);
}

/* True if firmware runs elsewhere, and neither address space nor FPU are needed. */
static inline bool slaunch_efi_enter(void)
{
	return static_branch_unlikely(&slaunch_efi_gate) && __slaunch_efi_enter();
}

/* True if that was so, and there is nothing to undo. */
static inline bool slaunch_efi_apart(void)
{
	return static_branch_unlikely(&slaunch_efi_gate) && __slaunch_efi_apart();
}

static inline void slaunch_efi_leave(void)
{
	if (static_branch_unlikely(&slaunch_efi_gate))
		__slaunch_efi_leave();
}

/* Whether firmware runs in this task, in user mode. */
static inline bool slaunch_efi_in(const struct task_struct *task)
{
	return static_branch_unlikely(&slaunch_efi_gate) &&
	       task == READ_ONCE(slaunch_efi_task);
}

/* True if it was firmware's general protection fault in user mode. */
static inline bool slaunch_efi_trap(struct pt_regs *regs)
{
	return static_branch_unlikely(&slaunch_efi_gate) && __slaunch_efi_trap(regs);
}

static inline bool slaunch_efi_fault(struct pt_regs *regs, int vector,
				     unsigned long address)
{
	return static_branch_unlikely(&slaunch_efi_gate) &&
	       __slaunch_efi_fault(regs, vector, address);
}

static inline void slaunch_text_poked(const void *addr, size_t len)
{
	if (static_branch_unlikely(&slaunch_efi_gate))
		__slaunch_text_poked(addr, len);
}

#else

static inline void slaunch_reserve_memory(void) { }

static inline void slaunch_cpu_start(unsigned int cpu) { }

static inline bool slaunch_init_allowed(unsigned int cpu)
{
	return true;
}

static inline bool slaunch_efi_off(void)
{
	return false;
}

static inline bool slaunch_efi_stopped(void)
{
	return false;
}

static inline bool slaunch_efi_gated(void)
{
	return false;
}

static inline bool slaunch_efi_enter(void)
{
	return false;
}

static inline bool slaunch_efi_apart(void)
{
	return false;
}

static inline void slaunch_efi_leave(void) { }

static inline bool slaunch_efi_in(const struct task_struct *task)
{
	return false;
}

static inline bool slaunch_efi_trap(struct pt_regs *regs)
{
	return false;
}

static inline bool slaunch_efi_fault(struct pt_regs *regs, int vector,
				     unsigned long address)
{
	return false;
}

static inline void slaunch_text_poked(const void *addr, size_t len) { }

#endif /* CONFIG_SECURE_LAUNCH */
#endif /* _LINUX_SLAUNCH_H */
