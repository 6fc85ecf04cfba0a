// SPDX-License-Identifier: GPL-2.0
/* SHA-1 for freestanding code: the kernel's own source. */
#include "freestanding.h"

#undef CONFIG_CRYPTO_LIB_SHA1_ARCH
#define CONFIG_CRYPTO_LIB_SHA1_ARCH 1	/* arch/sha1.h */

#include "../../../../lib/crypto/sha1.c"

/* The size that mod.rs sets aside. */
static_assert(sizeof(struct sha1_ctx) == 96);
