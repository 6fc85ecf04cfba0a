// SPDX-License-Identifier: GPL-2.0
/* SHA-256 for freestanding code: the kernel's own source. */
#include "freestanding.h"

#undef CONFIG_CRYPTO_LIB_SHA256_ARCH
#define CONFIG_CRYPTO_LIB_SHA256_ARCH 1	/* arch/sha256.h */

#include "../../../../lib/crypto/sha256.c"

/* The size that mod.rs sets aside. */
static_assert(sizeof(struct sha256_ctx) == 104);
