// SPDX-License-Identifier: GPL-2.0
/*
 * What firmware in user mode asks the machine for, once that is allowed.
 */
#include <linux/io.h>
#include <linux/mc146818rtc.h>
#include <linux/pci.h>
#include <linux/uaccess.h>

#include <asm/msr.h>
#include <asm/special_insns.h>

#include "task.h"

u32 slaunch_efi_port_read(u16 port, u32 size)
{
	switch (size) {
	case 1:
		return inb(port);
	case 2:
		return inw(port);
	default:
		return inl(port);
	}
}

void slaunch_efi_port_write(u16 port, u32 size, u32 value)
{
	switch (size) {
	case 1:
		outb(value, port);
		break;
	case 2:
		outw(value, port);
		break;
	default:
		outl(value, port);
	}
}

/*
 * Write the command that raises an SMI. The handler may look at the registers in
 * its save state area, and change them there.
 */
void slaunch_efi_smi(u16 port, u32 size, struct slaunch_efi_smi *regs)
{
	if (size != 1) {
		slaunch_efi_port_write(port, size, regs->ax);
		return;
	}
	/* The other form has the port in a register of the firmware's. */
	if ((u16)regs->dx != port && port == 0xb2) {
		asm volatile("outb %%al, $0xb2"
			     : "+a" (regs->ax), "+b" (regs->bx), "+c" (regs->cx),
			       "+d" (regs->dx), "+S" (regs->si), "+D" (regs->di)
			     : : "memory");
		return;
	}
	regs->dx = (regs->dx & ~0xffffULL) | port;
	asm volatile("outb %%al, %%dx"
		     : "+a" (regs->ax), "+b" (regs->bx), "+c" (regs->cx),
		       "+d" (regs->dx), "+S" (regs->si), "+D" (regs->di)
		     : : "memory");
}

u8 slaunch_efi_clock_read(u8 index)
{
	guard(spinlock_irqsave)(&rtc_lock);
	return CMOS_READ(index);
}

void slaunch_efi_clock_write(u8 index, u8 value)
{
	guard(spinlock_irqsave)(&rtc_lock);
	CMOS_WRITE(value, index);
}

bool slaunch_efi_msr(u32 number, u64 *value)
{
	return !rdmsrq_safe(number, value);
}

/* Memory of the firmware's, with the rights that it has itself. */
bool slaunch_efi_get(u64 from, void *to, u32 size)
{
	return !copy_from_user(to, (const void __user *)from, size);
}

bool slaunch_efi_put(u64 to, const void *from, u32 size)
{
	return !copy_to_user((void __user *)to, from, size);
}

void slaunch_efi_write_back(void)
{
	wbinvd();
}

/* Of PCI: serial bus controller, other. Those for flash memory are that. */
#define CLASS_FLASH	0x0c80

/*
 * Fill @to with the ranges of registers that PCI devices have, up to @room of
 * them. Not with those of controllers for flash memory, which do no DMA and may
 * be where variables are kept. Return how many there are.
 */
size_t slaunch_efi_bars(struct slaunch_efi_bar *to, size_t room)
{
	struct pci_dev *dev = NULL;
	size_t count = 0;
	int i;

	for_each_pci_dev(dev) {
		if (dev->class >> 8 == CLASS_FLASH)
			continue;
		for (i = 0; i < PCI_BRIDGE_RESOURCES; i++) {
			const struct resource *res = &dev->resource[i];

			if (!(res->flags & IORESOURCE_MEM) || !res->parent)
				continue;
			if (count < room) {
				to[count].start = res->start;
				to[count].size = resource_size(res);
			}
			count++;
		}
	}
	return count;
}
