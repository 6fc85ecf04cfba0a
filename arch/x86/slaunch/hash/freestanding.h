/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel's hash sources need to be built for freestanding code: the
 * library functions without exports, self-tests and module information, and the
 * choice of implementation made by arch/ here instead of static calls.
 */
#ifndef SLAUNCH_HASH_FREESTANDING_H
#define SLAUNCH_HASH_FREESTANDING_H

#include <linux/export.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/types.h>

#undef MODULE_DESCRIPTION
#define MODULE_DESCRIPTION(text)
#undef MODULE_LICENSE
#define MODULE_LICENSE(text)

#undef subsys_initcall
#define subsys_initcall(fn)
#undef module_exit
#define module_exit(fn)

#undef CONFIG_CRYPTO_FIPS
/*
 * lib/crypto/sha256.c ignores the architecture with __DISABLE_EXPORTS. The
 * macro has done its work once linux/export.h is included.
 */
#undef __DISABLE_EXPORTS

/* Set by slaunch_hash_detect(); false until then. */
extern bool slaunch_hash_ni;

/*
 * May the SHA extensions be used? Looks at CPUID only: the caller must have
 * enabled SSE (CR4.OSFXSR set, CR0.EM and CR0.TS clear) before it calls this,
 * and nothing may need the XMM registers kept.
 */
void slaunch_hash_detect(void);

/* Zero XMM0 to XMM15, if slaunch_hash_detect() found a use for them. */
void slaunch_hash_wipe(void);

#endif
