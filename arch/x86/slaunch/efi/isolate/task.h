/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SLAUNCH_EFI_ISOLATE_TASK_H
#define _SLAUNCH_EFI_ISOLATE_TASK_H

#include <linux/types.h>

struct mm_struct;
struct pt_regs;
struct slaunch_efi_insn;

/* What slaunch_efi_map() may do with a range; in isolate/memory.rs too. */
#define SLAUNCH_MAP_WRITE	BIT(0)
#define SLAUNCH_MAP_EXEC	BIT(1)
#define SLAUNCH_MAP_UNCACHED	BIT(2)
/* Memory of the firmware's: not encrypted by the kernel. */
#define SLAUNCH_MAP_FIRMWARE	BIT(3)

/* How the task has ended; in isolate/task.rs too. */
struct slaunch_efi_end {
	u32 signal;
	u32 vector;
	u32 code;
	u32 reserved;
	u64 address;
	u64 ip;
};

/* EAX, EBX, ECX, EDX, ESI, EDI as SMM sees them. */
struct slaunch_efi_smi {
	u64 ax, bx, cx, dx, si, di;
};

/* Registers of a device; in isolate/denied.rs too. */
struct slaunch_efi_bar {
	u64 start, size;
};

/* Memory. */
struct mm_struct *slaunch_efi_mm(void);
void slaunch_efi_mm_put(struct mm_struct *mm);
void *slaunch_efi_pages(size_t size);
void slaunch_efi_pages_free(void *pages, size_t size);
int slaunch_efi_map(struct mm_struct *mm, unsigned long start,
		    unsigned long size, phys_addr_t phys, u32 flags);
int slaunch_efi_unmap(struct mm_struct *mm, unsigned long start,
		      unsigned long size);

/* The task, seen by the thread that makes calls. */
int slaunch_efi_start(struct mm_struct *mm);
bool slaunch_efi_run(u32 ms);
bool slaunch_efi_kill(void);
bool slaunch_efi_gone(void);
void slaunch_efi_ended(struct slaunch_efi_end *end);

/* In the task. */
bool slaunch_efi_next(void);
void slaunch_efi_answer(void);
void slaunch_efi_go(struct pt_regs *regs, u64 ip, u64 sp, const u64 args[4]);
bool slaunch_efi_decode(struct pt_regs *regs, struct slaunch_efi_insn *to);

/* What an instruction asks for. */
u32 slaunch_efi_port_read(u16 port, u32 size);
void slaunch_efi_port_write(u16 port, u32 size, u32 value);
void slaunch_efi_smi(u16 port, u32 size, struct slaunch_efi_smi *regs);
u8 slaunch_efi_clock_read(u8 index);
void slaunch_efi_clock_write(u8 index, u8 value);
bool slaunch_efi_msr(u32 number, u64 *value);
bool slaunch_efi_get(u64 from, void *to, u32 size);
bool slaunch_efi_put(u64 to, const void *from, u32 size);
void slaunch_efi_write_back(void);
size_t slaunch_efi_bars(struct slaunch_efi_bar *to, size_t room);

int slaunch_efi_watch_restart(void);

/* In Rust: the machine is about to restart. */
void slaunch_efi_reset(int kind);

/* In Rust: the task is there; it has trapped. False if it is to end. */
bool slaunch_efi_begin(struct pt_regs *regs);
bool slaunch_efi_trapped(struct pt_regs *regs);

#endif /* _SLAUNCH_EFI_ISOLATE_TASK_H */
