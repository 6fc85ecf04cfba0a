// SPDX-License-Identifier: GPL-2.0
/*
 * What the gate needs from macros and inline functions.
 */
#include <linux/cpumask.h>
#include <linux/efi.h>
#include <linux/kdebug.h>
#include <linux/nmi.h>
#include <linux/slaunch.h>

#include <asm/apic.h>
#include <asm/efi.h>
#include <asm/trapnr.h>

#include "glue.h"

DEFINE_STATIC_KEY_FALSE(slaunch_efi_gate);

/* From now on all EFI calls pass the door. */
void slaunch_efi_close(void)
{
	static_branch_enable(&slaunch_efi_gate);
}

/* An online processor other than @cpu, or a number beyond all if it is alone. */
unsigned int slaunch_other_cpu(unsigned int cpu)
{
	return cpumask_any_but(cpu_online_mask, cpu);
}

void slaunch_send_nmi(unsigned int cpu)
{
	__apic_send_IPI(cpu, NMI_VECTOR);
}

/*
 * FPU and firmware's address space as a call has them, for a check without one.
 * Returns what slaunch_efi_leave_space() wants. asm/efi.h is not for bindgen.
 */
struct mm_struct *slaunch_efi_enter_space(void)
{
	efi_fpu_begin();
	efi_sync_low_kernel_mappings();
	return use_temporary_mm(&efi_mm);
}

void slaunch_efi_leave_space(struct mm_struct *before)
{
	unuse_temporary_mm(before);
	efi_fpu_end();
}

/* A breakpoint instruction in firmware; other exceptions look for a fixup. */
static int slaunch_efi_die(struct notifier_block *nb, unsigned long reason,
			   void *data)
{
	struct die_args *args = data;

	if (reason == DIE_INT3 && slaunch_efi_fault(args->regs, X86_TRAP_BP, 0))
		return NOTIFY_STOP;
	return NOTIFY_DONE;
}

static struct notifier_block slaunch_efi_die_nb = {
	.notifier_call = slaunch_efi_die,
};

/* For as long as the kernel runs. */
void slaunch_watch(void)
{
	register_nmi_handler(NMI_LOCAL, slaunch_efi_nmi, 0, "slaunch");
	register_die_notifier(&slaunch_efi_die_nb);
}
