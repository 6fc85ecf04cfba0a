/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Secure Launch: numbers that appear outside the kernel, in event logs, in
 * PCRs and in /sys/kernel/security/slaunch/state.
 */
#ifndef _UAPI_LINUX_SLAUNCH_H
#define _UAPI_LINUX_SLAUNCH_H

#include <linux/types.h>

/* PCRs of a launch: code and configuration. */
#define SLAUNCH_PCR_CODE		17
#define SLAUNCH_PCR_CONFIG		18

/* Types of the events in the log. */
#define SLAUNCH_EVENT_CAP		0x4ff	/* PCR closed after an error */
#define SLAUNCH_EVENT_MEASURED		0x502
#define SLAUNCH_EVENT_START		0x503
#define SLAUNCH_EVENT_END		0x504

/* Errors of a launch that was aborted: base + number. */
#define SLAUNCH_ERROR_BASE		0xc0008000U

/*
 * Why a launch that was asked for did not take place. The EFI stub leaves the
 * reason in an EFI configuration table, see struct slaunch_status.
 */
#define SLAUNCH_REASON_NONE		0
#define SLAUNCH_REASON_OPTION		1	/* unknown word in slaunch= */
#define SLAUNCH_REASON_MIXED_MODE	2	/* 32-bit firmware */
#define SLAUNCH_REASON_GUEST		3	/* encrypted guest (SEV, TDX) */
#define SLAUNCH_REASON_VENDOR		4	/* not an AMD processor */
#define SLAUNCH_REASON_NO_SVM		5	/* no virtualization extension */
#define SLAUNCH_REASON_NO_SKINIT	6
#define SLAUNCH_REASON_SVM_DISABLED	7	/* detail: VM_CR */
#define SLAUNCH_REASON_NOT_BSP		8	/* detail: APIC base, low half */
#define SLAUNCH_REASON_NO_APIC		9	/* detail: APIC base, low half */
#define SLAUNCH_REASON_MEM_ENCRYPT	10	/* mem_encrypt=on */
#define SLAUNCH_REASON_NO_TPM		11	/* detail: EFI status, low half */
#define SLAUNCH_REASON_TPM_INTERFACE	12	/* detail: interface id register */
#define SLAUNCH_REASON_TPM_BANKS	13	/* detail: bitmap of active banks */
#define SLAUNCH_REASON_MEMORY		14	/* below 4 GiB; detail: bytes */
#define SLAUNCH_REASON_SLB		15	/* loader block malformed */
#define SLAUNCH_REASON_MLE_HEADER	16	/* none or a bad one in the image */
#define SLAUNCH_REASON_TABLES		17	/* SLRT or event log did not fit */
#define SLAUNCH_REASON_NOT_EFI		18	/* not started by the EFI stub */

/**
 * struct slaunch_status - outcome of a launch that did not take place
 * @magic:	SLAUNCH_STATUS_MAGIC
 * @version:	SLAUNCH_STATUS_VERSION
 * @reason:	one of SLAUNCH_REASON_*
 * @detail:	a number that goes with the reason, else 0
 */
struct slaunch_status {
	__u32 magic;
	__u32 version;
	__u32 reason;
	__u32 detail;
};

#define SLAUNCH_STATUS_MAGIC		0x54534c53U	/* "SLST" */
#define SLAUNCH_STATUS_VERSION		1

#endif /* _UAPI_LINUX_SLAUNCH_H */
