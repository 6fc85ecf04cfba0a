/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SLAUNCH_EFI_GLUE_H
#define _SLAUNCH_EFI_GLUE_H

struct mm_struct;

void slaunch_efi_close(void);
unsigned int slaunch_other_cpu(unsigned int cpu);
void slaunch_send_nmi(unsigned int cpu);
void slaunch_watch(void);
struct mm_struct *slaunch_efi_enter_space(void);
void slaunch_efi_leave_space(struct mm_struct *before);

/* In Rust. */
int slaunch_efi_nmi(unsigned int type, struct pt_regs *regs);

#endif /* _SLAUNCH_EFI_GLUE_H */
